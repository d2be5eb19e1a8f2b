/* SPDX-License-Identifier: MIT */
/*
 * drivers.c - the drivers of one device: who is let live, who is killed, and the budget.
 *
 * Room:   sandbox/supervisor, no privilege.
 *
 * A driver's standby is its restart token: the device process asks for one (WANT) and
 * replaces a dead driver by it without asking anybody. Holding the token back is the
 * back-off, never giving it is the quarantine. Steps are those of
 * sandbox/RECOVERY.md.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "deaths.h"
#include "device_msg.h"
#include "launch.h"
#include "log.h"
#include "supervisor.h"

/* How often it is checked whether a wanted launcher may start, and how many times at most. */
#define HELD_NS	  5000000u
#define HELD_MOST 2000u

/* ---- step 9: the budget ---------------------------------------------------------- */

void dev_give_up(struct dev *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_GIVE_UP };

	(void)rf_packet_offer(d->fd[FD_SUP_OURS], &msg, sizeof(msg), NULL, 0);
}

/* One queue's drivers cannot be had: nothing of the device is served, since clients of the others
 * would see a disk that answers at times only. */
static void quarantine(struct sup *s, struct dev *d, uint32_t queue)
{
	if (dev_queues(d) > 1)
		rf_log("%s: this is about its queue %u", d->cfg->name, queue);
	rf_log("%s: its driver died %u times without completing a request: quarantined; "
	       "'ringfence restart %s' tries again",
	       d->cfg->name, d->cfg->policy.deaths, d->cfg->name);
	d->r.state = DEV_QUARANTINED;
	d->r.code = RF_EXIT_QUARANTINE;
	dev_want_drop(d);
	record_write(s);
	dev_give_up(d);
	/* The driver that runs may have been the last standby, so both halves' drivers are
	 * killed. */
	dev_kill_drivers(s, d);
}

/* Requests that this queue's drivers got done. */
static uint64_t queue_completed(const struct dev *d, uint32_t queue)
{
	return dev_queues(d) > 1 ? d->service->queue[queue].completed : d->service->completed;
}

void dev_count_death(struct dev *d, uint32_t generation)
{
	uint32_t queue = dev_queue_of(d, generation);
	struct queue_record *q = &d->r.queue[queue];
	uint64_t completed = queue_completed(d, queue);

	if (d->r.state == DEV_QUARANTINED)
		return; /* we killed it */
	enum death why = q->killed == generation ? q->killed_for : DEATH_CRASH;

	d->r.deaths++;
	q->deaths++;
	d->r.died_of[why]++;
	/* It died with its export, or for another queue, which have budgets of their own. */
	if (why == DEATH_HANDOVER || why == DEATH_RESET)
		return;
	/* Storms count even with progress in between: else a driver that completes requests
	 * could have its device storm for ever. */
	bool vain = budget_in_vain(&q->driver_budget, completed, rf_now_ns());
	q->fruitless = vain || why == DEATH_STORM ? q->fruitless + 1 : 0;
}

bool dev_all_up(const struct dev *d)
{
	for (uint32_t i = 0; i < d->r.queues; i++)
		if (!d->r.queue[i].last_up)
			return false;
	return d->r.queues;
}

bool dev_wants(const struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		if (d->queue[i].want.waiting)
			return true;
	return false;
}

uint32_t dev_any_running(const struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		if (d->r.queue[i].generation)
			return d->r.queue[i].generation;
	return 0;
}

/* ---- step 7: a standby, which becomes the driver ------------------------------------ */

void dev_want(struct dev *d, const struct rf_dev_msg *msg, const int *fds, int count)
{
	uint32_t i = dev_queue_of(d, msg->generation);
	struct queue_record *q = &d->r.queue[i];

	if (msg->generation > q->last_wanted)
		q->last_wanted = msg->generation;
	if (msg->generation > d->r.last_wanted)
		d->r.last_wanted = msg->generation;
	d->queue[i].want = (struct wanted_driver){ .waiting = true, .generation = msg->generation,
					  .device_fd = msg->device_fd, .count = count,
					  .due_ns = rf_now_ns() +
						    dev_backoff(d, q->fruitless) };
	memcpy(d->queue[i].want.fds, fds, sizeof(int) * (size_t)count);
	if (dev_backoff(d, q->fruitless) && q->fruitless < d->cfg->policy.deaths)
		rf_log("%s: %llu drivers in a row died without completing a request: the next one "
		       "starts in "
		       "%llu ms",
		       d->cfg->name, (unsigned long long)q->fruitless,
		       (unsigned long long)(dev_backoff(d, q->fruitless) / 1000000));
}

/* Puts the spawn of a launcher off, so that an image which will not run is logged once only. The
 * launcher waits until the last driver of its half is reaped and acknowledged. The first standby,
 * and the first driver of each further queue, also wait until the first driver of all is locked,
 * or dead and acknowledged. */
static bool want_held(struct sup *s, struct dev *d, uint32_t queue)
{
	struct wanted_driver *w = &d->queue[queue].want;
	const struct queue_record *q = &d->r.queue[queue], *first = &d->r.queue[0];
	uint32_t half = dev_half_of(d, w->generation);

	if (!d->r.walls.locked && dev_any_running(d))
		dev_walls(s, d);
	if ((!q->driver_pid[half] &&
	     (d->r.walls.locked || (!q->driver_pid[!half] && !first->driver_pid[0] &&
				    !first->driver_pid[1]))) || w->held == HELD_MOST)
		return false;
	w->held++;
	w->due_ns = rf_now_ns() + HELD_NS;
	return true;
}

static void want_start(struct sup *s, struct dev *d, uint32_t queue)
{
	struct wanted_driver *w = &d->queue[queue].want;
	int pidfd = -1;

	if (!w->waiting || w->due_ns > rf_now_ns())
		return;
	if (want_held(s, d, queue))
		return;
	if (d->r.queue[queue].fruitless >= d->cfg->policy.deaths)
		return quarantine(s, d, queue);
	struct rf_dev_msg msg = { .type = RF_DEV_DRIVER, .generation = w->generation };
	int err = dev_start_driver(s, d, queue, &pidfd);
	if (err && d->r.worked && dev_shortage(err)) {
		w->due_ns = rf_now_ns() + dev_backoff(d, 2 + w->short_of++);
		return;
	}
	rf_close_all(w->fds, w->count);
	w->waiting = false;
	if (err)
		return dev_fail(s, d, RF_EXIT_SYSTEM);
	(void)rf_packet_offer(d->fd[FD_SUP_OURS], &msg, sizeof(msg), &pidfd, 1);
	close(pidfd);
}

void dev_want_due(struct sup *s, struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES && d->r.state == DEV_RUNNING; i++)
		want_start(s, d, i);
}

/* ---- step 1: who has to go ------------------------------------------------------------ */

void dev_kill_for(struct sup *s, struct dev *d, uint32_t generation, enum death why)
{
	static const char *const words[DEATHS] = {
		[DEATH_HANG] = "hangs", [DEATH_STALL] = "does not answer",
		[DEATH_PROTO] = "broke the protocol",
		[DEATH_STORM] = "has its device interrupt without end",
		[DEATH_RESET] = "has to go, since its device is reset for another queue",
	};

	if (words[why])
		rf_log_peer("%s: driver %u %s: killed", d->cfg->name, generation, words[why]);
	d->r.queue[dev_queue_of(d, generation)].killed = generation;
	d->r.queue[dev_queue_of(d, generation)].killed_for = why;
	record_write(s);
	dev_kill_driver(s, d, generation);
}

void dev_unresponsive(struct sup *s, struct dev *d, const struct rf_dev_msg *msg)
{
	uint32_t i = dev_queue_of(d, msg->generation);
	const struct queue_record *q = &d->r.queue[i];
	struct rf_hang_detector *hang = &d->queue[i].hang;
	pid_t pid = q->driver_pid[dev_half_of(d, msg->generation)];
	struct rf_sample now;

	if (msg->generation != q->generation || !pid || q->killed == msg->generation ||
	    rf_sample_take(pid, &now))
		return;
	if (rf_hang_detected(hang, msg->generation, msg->value, msg->at_ns, &now,
			    d->cfg->policy.hang_ns)) {
		rf_log_peer("%s: driver %u has no heartbeat: it used %llu.%llu ms of processor "
			    "time without one, or sleeps "
			    "(state %c, looked at %d times)",
			    d->cfg->name, msg->generation,
			    (unsigned long long)hang->spun_ns / 1000000,
			    (unsigned long long)hang->spun_ns / 100000 % 10,
			    hang->last.state, hang->samples);
		dev_kill_for(s, d, msg->generation, DEATH_HANG);
	}
}

/* ---- what is known of them -------------------------------------------------------------- */

/* Asks the keeper which walls stand around the first driver that runs; its successors have the
 * same. A driver may run before its launcher's report has arrived; then the next call asks
 * again. */
void dev_walls(struct sup *s, struct dev *d)
{
	char name[RF_KEEP_NAME], what[32], missing[512];

	if (d->r.walls.locked || !dev_any_running(d))
		return;
	snprintf(what, sizeof(what), "driver.%u", dev_any_running(d));
	process_name(name, d, what);
	if (keep_walls(s, name, &d->r.walls))
		return; /* dead again */
	rf_walls_missing(&d->r.walls, missing, sizeof(missing));
	if (d->r.walls.locked && missing[0])
		rf_log("%s: walls missing around its driver: %s", d->cfg->name, missing);
}

void dev_driver_died(struct sup *s, struct dev *d, const struct rf_keep_msg *msg)
{
	uint32_t generation = 0;
	char words[512], line[1024];

	sscanf(strrchr(msg->name, '.') + 1, "%u", &generation);
	uint32_t queue = dev_queue_of(d, generation);
	struct queue_record *q = &d->r.queue[queue];
	/* dev_kill_for() has already logged why we killed it. */
	bool ours = (q->killed == generation || d->r.state == DEV_QUARANTINED) &&
		    WIFSIGNALED(msg->status) && WTERMSIG(msg->status) == SIGKILL;
	rf_death_json(msg, d->cfg->name, queue, line, sizeof(line));
	rf_death_words(msg, words, sizeof(words));
	death_append(s, line);
	if (!ours)
		rf_log_peer("%s: driver %u %s", d->cfg->name, generation, words);
	crash_report_request(s, d, msg, q->killed == generation ? q->killed_for : DEATH_CRASH,
			     words, line);
	/* The exit code is the launcher's only if the image never ran: later it is the driver's
	 * own claim. */
	if (WIFEXITED(msg->status) && !rf_death_ran(msg) &&
	    WEXITSTATUS(msg->status) >= RF_LAUNCH_BAD_SPEC &&
	    WEXITSTATUS(msg->status) != RF_LAUNCH_SYSTEM) {
		/* The launcher refused it: another try would end the same way. */
		d->r.code = WEXITSTATUS(msg->status) == RF_LAUNCH_BAD_IMAGE ? RF_EXIT_IMAGE :
									      RF_EXIT_SYSTEM;
		dev_stop(s, d);
	} else if (generation > q->last_up && generation > d->device->up[queue]) {
		/* A standby died. It did no work, so its successors are held back longer and
		 * longer. */
		d->r.standby_deaths++;
		q->fruitless += budget_in_vain(&q->standby_budget, 0, rf_now_ns());
	} else {
		d->queue[queue].replaced = generation;
		dev_recovered(d, queue);
	}
}
