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
 */
#include "clock.h"
#include "device_msg.h"
#include "log.h"
#include "supervisor.h"

#define ASK_NS  3000000000ull
#define LOOK_NS 250000000ull

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
	(void)rf_packet_post(d->fd[FD_SUP_OURS], &msg, sizeof(msg));
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
	d->ping.due_ns = now + (waits ? LOOK_NS : ASK_NS);
	if (!waits)
		ping_send(s, d);
}
