/* SPDX-License-Identifier: MIT */
/*
 * ping.c - do the export and the device process of a device still take their messages?
 *
 * Room:   sandbox/supervisor, no privilege.
 * Asks:   a number goes to the device process, and from there to the export; each writes it
 *         into its own part of the statistics, which are mapped here. Drivers are watched by
 *         their export (hang_watch.h), and whoever a signal stops by the keeper (stopped.h).
 * Judges: one that owes the answer, by what the kernel says of its time (hang_detector.c): it
 *         spins, or it sleeps although there is a message for it. One that waits for a processor,
 *         or for a disk, is let be; so is one that has never answered yet, for starts take their
 *         time.
 * Rest:   who answered, sleeps and has not run since is as it was: it is not woken to say so.
 *         Devices at rest are looked at together, so that only this process wakes, once for all.
 */
#include "clock.h"
#include "device_msg.h"
#include "log.h"
#include "supervisor.h"

#define ASK_NS    3000000000ull
#define SETTLE_NS (ASK_NS / 2) /* from a question to the look at who answered it */
#define LOOK_NS   250000000ull

/* A device process gets longer: it may wait for its device server, or for a reset, in one sleep. */
#define EXPORT_HANG_NS 2000000000ull
#define DEVICE_HANG_NS 20000000000ull

enum who { DEVICE, EXPORT };

/* The pid to ask; 0: the process does not run, or is asked on behalf of another device of its
 * stack. */
static pid_t pid_of(struct sup *s, struct dev *d, enum who who)
{
	struct dev *stack = stack_of(s, d);

	if (who == DEVICE)
		return d->r.device_pid;
	return !stack || stack == d ? d->r.export_pid : 0;
}

static void kill_hung(struct sup *s, struct dev *d, enum who who)
{
	const struct rf_hang_detector *q = &d->ping.hang[who];

	rf_log("%s: its %s takes no messages (state %c, %llu ms of processor time meanwhile): "
	       "killed, so that "
	       "it is replaced",
	       d->cfg->name, who == DEVICE ? "device process" : "export", q->last.state,
	       (unsigned long long)q->spun_ns / 1000000);
	dev_kill(s, d, who == DEVICE ? "device" : "export");
}

/* True: it has not answered yet. Kills it if it hangs. */
static bool ping_unanswered(struct sup *s, struct dev *d, enum who who)
{
	struct ping *a = &d->ping;
	pid_t pid = pid_of(s, d, who);
	uint64_t looked = rf_now_ns();
	struct rf_sample now;

	if (!pid || pid != a->pid[who])
		return false;
	if (atomic_load(who == DEVICE ? &d->device->pong : &d->service->pong) == a->asked) {
		a->known[who] = pid;
		return false;
	}
	if (a->known[who] != pid)
		return false;
	if (!rf_sample_take(pid, &now) &&
	    rf_hang_detected(&a->hang[who], (uint32_t)pid, a->asked, looked, &now,
			    who == DEVICE ? DEVICE_HANG_NS : EXPORT_HANG_NS)) {
		kill_hung(s, d, who);
		a->known[who] = 0;
	}
	return true;
}

static void ping_send(struct sup *s, struct dev *d)
{
	struct ping *a = &d->ping;
	struct rf_dev_msg msg = { .type = RF_DEV_PING, .value = ++a->asked };

	for (enum who who = DEVICE; who <= EXPORT; who++) {
		a->pid[who] = pid_of(s, d, who);
		a->hang[who].samples = 0;
	}
	a->answered = false;
	(void)rf_packet_post(d->fd[FD_SUP_OURS], &msg, sizeof(msg));
}

/* Looks at it. True: it is the same one, sleeps, and has not run since the last look; or there was
 * and is none. */
static bool at_rest(struct sup *s, struct dev *d, enum who who)
{
	struct ping *a = &d->ping;
	const struct rf_sample was = a->rest[who];
	const pid_t pid = pid_of(s, d, who);
	bool same = pid == a->looked[who];

	a->looked[who] = pid;
	if (!pid)
		return same;
	if (rf_sample_take(pid, &a->rest[who]))
		a->rest[who] = (struct rf_sample){ 0 };
	const struct rf_sample *now = &a->rest[who];

	return same && now->exact && was.exact && now->state == 'S' && was.state == 'S' &&
	       now->cpu_ns == was.cpu_ns;
}

uint64_t ping_due_ns(const struct dev *d)
{
	bool asked =
		(d->r.state == DEV_RUNNING || d->r.state == DEV_QUARANTINED) && d->r.device_pid;

	return asked ? d->ping.due_ns : ~0ull;
}

void ping_tick(struct sup *s, struct dev *d)
{
	uint64_t now = rf_now_ns();

	if (ping_due_ns(d) > now)
		return;
	/* Pings to the export go through the device process, and are lost if that dies
	 * meanwhile. */
	bool waits = ping_unanswered(s, d, DEVICE) ||
		     (d->r.device_pid == d->ping.pid[DEVICE] && ping_unanswered(s, d, EXPORT));
	if (waits) {
		d->ping.due_ns = now + LOOK_NS;
		return;
	}
	bool rest = at_rest(s, d, DEVICE);

	rest = at_rest(s, d, EXPORT) && rest;
	d->ping.due_ns = now + SETTLE_NS;
	if (!d->ping.answered)
		d->ping.answered = true; /* that was the first look */
	else if (rest)
		d->ping.due_ns = (now / ASK_NS + 1) * ASK_NS;
	else
		ping_send(s, d);
}
