/* SPDX-License-Identifier: MIT */
/*
 * adopt.c - the first turn of a supervisor whose predecessor died: nothing that runs may
 * notice.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Knows:  the record, what the keeper holds and which processes live. The keeper also tells
 *         again of every death that was not dealt with to the end.
 * Asks:   each device process, for what it said to nobody or to the dead: which driver runs,
 *         which one it wants, whom it wants killed (RF_DEV_ADOPT). What it said before is
 *         thrown away up to the answer.
 * Rule:   what ought to be there and is not is made, by the state the record tells; what
 *         the predecessor had begun is done again. Every step of a device's life can be.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device_msg.h"
#include "events.h"
#include "log.h"
#include "supervisor.h"

static uint32_t generation_in(const char *what)
{
	uint32_t generation = 0;

	return sscanf(what, "driver.%u", &generation) == 1 ? generation : 0;
}

static void found_driver(struct dev *d, uint32_t generation, pid_t pid)
{
	struct queue_record *q = &d->r.queue[dev_queue_of(d, generation)];
	uint32_t half = dev_half_of(d, generation);

	q->driver_pid[half] = pid;
	q->generation_of[half] = generation;
	if (generation > q->last_wanted)
		q->last_wanted = generation;
	if (generation > d->r.last_wanted)
		d->r.last_wanted = generation;
}

static void found(struct sup *s, const struct rf_keep_msg *msg)
{
	const char *what;
	struct dev *d = dev_of(s, msg->name, &what);

	if (msg->status)
		return; /* it is dead: that is told later */
	if (!d && strchr(msg->name, '.'))
		(void)keep_kill(s, msg->name); /* of a device that there is no word of any more */
	if (!d)
		return;
	uint32_t generation = generation_in(what);
	if (generation) {
		found_driver(d, generation, msg->pid);
	} else if (!strcmp(what, "device")) {
		d->r.device_pid = msg->pid;
	} else if (!strcmp(what, "export")) {
		d->r.export_pid = msg->pid;
	} else {
		d->r.stack.dial_pid = msg->pid;
	}
}

/* A process that is neither alive nor has an unprocessed exit record was already handled: its
 * pid is forgotten. */
static void forget_if_gone(pid_t *pid, const pid_t *live, int count)
{
	for (int i = 0; i < count; i++)
		if (live[i] == *pid)
			return;
	*pid = 0;
}

static void find_processes(struct sup *s)
{
	const size_t bytes = RF_KEEP_SLOTS * sizeof(pid_t);
	pid_t *live = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rf_keep_msg msg = { 0 };
	int count = 0;

	if (live == MAP_FAILED)
		rf_die(RF_EXIT_BUG, "no memory for what runs");
	while (count < RF_KEEP_SLOTS && !keep_list(s, &msg)) {
		found(s, &msg);
		live[count++] = msg.pid;
	}
	for (int i = 0; i < s->count; i++) {
		struct dev *d = &s->dev[i];
		pid_t *const all[] = { &d->r.device_pid, &d->r.export_pid, &d->r.stack.dial_pid };

		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			forget_if_gone(all[k], live, count);
		for (uint32_t k = 0; k < 2 * RF_MAX_QUEUES; k++)
			forget_if_gone(&d->r.queue[k / 2].driver_pid[k & 1], live, count);
	}
	munmap(live, bytes);
}

/* The predecessor may have died before it passed a spawned driver's pidfd to the device process.
 * A device process that has the pidfd already closes this copy. */
static void hand_again(struct sup *s, struct dev *d, const struct queue_record *q, unsigned half)
{
	struct rf_dev_msg msg = { .type = RF_DEV_DRIVER, .generation = q->generation_of[half] };
	char name[RF_KEEP_NAME];

	if (!q->driver_pid[half])
		return;
	snprintf(name, sizeof(name), "%s.driver.%u", d->cfg->name, msg.generation);
	int pidfd = keep_retrieve(s, name);
	if (pidfd < 0)
		return;
	(void)rf_packet_offer(d->fd[FD_SUP_OURS], &msg, sizeof(msg), &pidfd, 1);
	close(pidfd);
}

static uint32_t asker; /* our own pid: which supervisor an answer is for */

static void adopt_ask(struct sup *s, struct dev *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_ADOPT, .value = (uint32_t)s->pid };

	for (unsigned i = 0; i < 2 * RF_MAX_QUEUES; i++)
		hand_again(s, d, &d->r.queue[i / 2], i & 1);
	asker = msg.value;
	d->adopting = true;
	(void)rf_packet_offer(d->fd[FD_SUP_OURS], &msg, sizeof(msg), NULL, 0);
}

/* Continues a device that was starting or running. If its device process is dead, the keeper
 * still reports that. */
static void go_on(struct sup *s, struct dev *d)
{
	if (!d->r.device_pid) {
		/* It was never started. */
		d->r.restart = true;
		return dev_stop(s, d);
	}
	adopt_ask(s, d);
	if (d->r.state == DEV_QUARANTINED)
		dev_give_up(d);
	if (d->r.state == DEV_RUNNING && !d->r.export_pid && !d->r.export_due_ns &&
	    !stack_of(s, d) && dev_export(s, d))
		dev_fail(s, d, RF_EXIT_SYSTEM);
}

static void revive_again(struct sup *s, struct dev *d)
{
	if (d->r.device_pid) {
		d->r.retry_ns = ~0ull;
		return adopt_ask(s, d);
	}
	if (d->r.retry_ns == ~0ull)
		d->r.retry_ns = 0;
	dev_kill_drivers(s, d);
}

/* By the record no process of this device runs: a start that was cut short is undone. */
static void undo_start(struct sup *s, struct dev *d)
{
	if (!dev_alive(d))
		return dev_close(s, d);
	d->r.restart = d->r.state == DEV_WAITING;
	d->r.state = DEV_STARTING;
	dev_stop(s, d);
}

static void settle(struct sup *s, struct dev *d)
{
	switch (d->r.state) {
	case DEV_OFF:
	case DEV_FAILED:
	case DEV_WAITING:
		return undo_start(s, d);
	case DEV_STARTING:
	case DEV_RUNNING:
		return go_on(s, d);
	case DEV_QUARANTINED:
		return d->r.device_pid ? go_on(s, d) : undo_start(s, d);
	case DEV_REVIVING:
		return revive_again(s, d);
	case DEV_STOPPING:
		return dev_end(s, d);
	case DEV_STATES:
		break;
	}
}

/* ---- after a reload ---------------------------------------------------------------- */

static void say_change(const struct dev *d)
{
	if (d->r.former)
		rf_log("%s: %s", d->cfg->name, d->next ?
		       "its configuration has changed: it restarts" :
		       "it is not in the configuration any more: it stops");
	else if (!d->recorded)
		rf_log("%s: it is new in the configuration: it starts", d->cfg->name);
}

/* Stops what is to go, or to change: a predecessor may have begun that. */
static void leave_all(struct sup *s, bool say)
{
	for (int i = 0; i < s->count; i++) {
		struct dev *d = &s->dev[i];

		if (say)
			say_change(d);
		if (d->r.former && !dev_over(d) && d->r.state != DEV_STOPPING)
			life_stop(s, d, &(struct news){ 0 });
	}
}

/* ---- all ------------------------------------------------------------------------------- */

int adopt_all(struct sup *s, int record)
{
	uint32_t loads = 0;
	int err = record_read(s, record, &loads);
	const bool reloaded = loads != s->config->loads;

	close(record);
	if (err) {
		rf_log("the state that the last supervisor left behind is damaged: ending all that "
		       "it ran");
		return RF_EXIT_BUG;
	}
	s->takeovers += !reloaded;
	devices_settle(s, reloaded);
	if (record_make(s))
		return RF_EXIT_BUG;
	if ((s->listener = keep_retrieve(s, "control")) < 0)
		return RF_EXIT_BUG;
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].recorded && dev_find(s, &s->dev[i]))
			return RF_EXIT_BUG;
	find_processes(s);
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].recorded)
			settle(s, &s->dev[i]);
	for (int i = 0; i < s->count; i++)
		stack_adopt(s, &s->dev[i]);
	leave_all(s, reloaded);
	record_write(s);
	return 0;
}

/* Counts driver deaths that no supervisor saw. There are two at most of a queue: only a supervisor
 * has drivers spawned, so the running driver and its standby are all that can have died. */
static void count_missed(struct dev *d, uint32_t queue, uint64_t downs)
{
	struct queue_record *q = &d->r.queue[queue];
	uint32_t queues = dev_queues(d), generation = q->generation;

	if (!generation)
		generation = rf_number_next(q->last_up ? q->last_up : queue, queues);
	for (int n = 0; q->downs < downs && n < 2; n++, q->downs++) {
		dev_count_death(d, generation);
		generation = rf_number_next(generation, queues);
	}
}

static void adopt_queue(struct dev *d, const struct rf_dev_msg *msg, uint32_t queue)
{
	struct queue_record *q = &d->r.queue[queue];
	uint32_t up = msg->up[queue];

	count_missed(d, queue, msg->downs[queue]);
	q->downs = msg->downs[queue];
	q->generation = up <= q->last_wanted && dev_queue_of(d, up) == queue ? up : 0;
	uint32_t ran = q->generation ? q->generation : d->device->up[queue];
	if (ran > q->last_up && ran <= q->last_wanted)
		q->last_up = ran;
	d->r.worked |= q->last_up != 0;
}

void adopt_told(struct dev *d, const struct rf_dev_msg *msg)
{
	if (!d->adopting || msg->value != asker)
		return; /* an answer to a predecessor */
	d->adopting = false;
	d->r.queues = msg->queues && msg->queues < dev_queues(d) ? msg->queues : dev_queues(d);
	for (uint32_t i = 0; i < dev_queues(d); i++)
		adopt_queue(d, msg, i);
}
