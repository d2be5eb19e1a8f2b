/* SPDX-License-Identifier: MIT */
/*
 * stack.c - the processes of 'export lwip': rf-lwip, which serves a net device and the
 * disks in it, and rf-dial, which connects to the host for it.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Life:   they are started when the device processes of all of these are ready, and again,
 *         both, when one of the two has died or one of the devices ended. Deaths of drivers
 *         and device processes do not touch them: TCP connections live on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "dial.h"
#include "ending.h"
#include "log.h"
#include "supervisor.h"

/* A stack that ends sooner than this after its start has failed, and its next start waits as
 * long. */
#define SOON_NS 5000000000ull
#define WAIT_NS 1000000000ull

/* ---- who is in it --------------------------------------------------------------------- */

/* A quarantined disk counts as there: it answers, with errors. */
static bool there(const struct dev *d)
{
	return d->r.device_pid && (d->r.state == DEV_RUNNING || d->r.state == DEV_QUARANTINED);
}

static bool all_there(struct sup *s, const struct dev *d)
{
	bool all = there(d);

	for (uint32_t i = 0; i < d->cfg->lwip.disks; i++)
		all = all && there(dev_entry(s, d->cfg->disk[i]));
	return all;
}

/* ---- start -------------------------------------------------------------------------------- */

/* The service of one device; `base` is added to the numbers of enum rf_export_fd. */
static int hand_service(struct child_fds *h, struct sup *s, struct dev *d, int base)
{
	int err = dev_lend(s, d);

	if (!err)
		hand_export(h, s, d, base);
	return err;
}

static int start_lwip(struct sup *s, struct dev *d, int dial)
{
	const struct rf_lwip_config *c = &d->cfg->lwip;
	struct child_fds h = { .spawn = dev_spawn_as(s, d, 1, "rf-lwip") };
	int err;

	hand_first(&h, s, s->export[RF_EXPORT_LWIP]);
	err = hand_service(&h, s, d, 0);
	for (uint32_t i = 0; i < c->disks && !err; i++) {
		struct dev *disk = dev_entry(s, d->cfg->disk[i]);

		err = hand_service(&h, s, disk, RF_LWIP_DISK_FD(i));
		h.spawn.memlock += dev_spawn_as(s, disk, 1, "").memlock;
	}
	if (err)
		return err;
	hand(&h, d->r.stack.config, RF_LWIP_FD_CONFIG);
	if (dial >= 0)
		hand(&h, dial, RF_LWIP_FD_DIAL);
	for (uint32_t i = 0; i < c->count; i++)
		if (d->r.stack.listen[i] >= 0)
			hand(&h, d->r.stack.listen[i], RF_LWIP_FD_LISTEN + (int)i);
	h.spawn.nofile = 1024;
	return dev_spawn(s, d, "export", &h.spawn, h.fds, h.count, &d->r.export_pid, NULL);
}

/* rf-dial sees the host's files, since some of the sockets it connects to are files; it has a
 * user of its own. */
static int start_dial(struct sup *s, struct dev *d, int socket_fd)
{
	struct child_fds h = { .spawn = dev_spawn_as(s, d, 1, "rf-dial") };

	hand_first(&h, s, s->dial);
	hand(&h, socket_fd, RF_DIAL_FD_STACK);
	hand(&h, d->r.stack.config, RF_DIAL_FD_CONFIG);
	h.spawn.fence = RF_FENCE_NONE;
	h.spawn.uid = h.spawn.gid = dev_uid(s, d, DEV_ROLE_DIAL);
	return dev_spawn(s, d, "dial", &h.spawn, h.fds, h.count, &d->r.stack.dial_pid, NULL);
}

static int start_both(struct sup *s, struct dev *d)
{
	int pair[2] = { -1, -1 }, err = 0;

	if (rf_lwip_dials(&d->cfg->lwip)) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			return -errno;
		err = start_dial(s, d, pair[1]);
	}
	if (!err)
		err = start_lwip(s, d, pair[0]);
	/* Each of the two must notice when the other ends. */
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	return err;
}

void stack_try(struct sup *s, struct dev *d)
{
	struct stack *st = &d->r.stack;

	if (st->due_ns <= rf_now_ns())
		st->due_ns = 0;
	if (!st->open || st->due_ns || d->r.export_pid || st->dial_pid || s->stopping ||
	    !all_there(s, d))
		return;
	st->told = st->ending = false;
	st->started_ns = rf_now_ns();
	int err = start_both(s, d);
	if (!err)
		return;
	rf_log("%s: cannot start its stack: %s", d->cfg->name, strerror(-err));
	if (!d->r.worked || !dev_shortage(err))
		return dev_fail(s, d, RF_EXIT_SYSTEM);
	st->due_ns = rf_now_ns() + WAIT_NS;
	stack_kill(s, d);
}

/* Either both run or neither: a start that a supervisor began and did not finish is undone. */
void stack_adopt(struct sup *s, struct dev *d)
{
	if (!d->r.stack.open)
		return;
	if (rf_lwip_dials(&d->cfg->lwip) && !d->r.export_pid != !d->r.stack.dial_pid)
		stack_kill(s, d);
	stack_try(s, d);
}

/* ---- end ------------------------------------------------------------------------------------ */

/* Handles the first death of the two: logs it, and kills the other one. */
static void first_ended(struct sup *s, struct dev *d, const struct rf_keep_msg *msg, bool dial)
{
	struct stack *st = &d->r.stack;
	char how[RF_ENDING];
	bool expected = st->told || (WIFEXITED(msg->status) && !WEXITSTATUS(msg->status));

	if (!expected) {
		d->r.process_deaths++;
		rf_log("%s: its %s %s: its connections are lost, and it starts again", d->cfg->name,
		       dial ? "rf-dial" : "stack", rf_ending(msg->status, how));
	}
	bool soon = !expected && rf_now_ns() - st->started_ns < SOON_NS;
	/* A stack that moved frames in between did work: it was killed, or a peer made it end. */
	uint64_t completed = d->service->completed;
	st->failures = !soon ? 0 : completed == st->completed ? st->failures + 1 : 1;
	st->completed = completed;
	st->due_ns = soon ? rf_now_ns() + WAIT_NS : st->due_ns;
	st->ending = true;
	stack_kill(s, d);
}

void stack_exited(struct sup *s, struct dev *d, const struct rf_keep_msg *msg, bool dial)
{
	struct stack *st = &d->r.stack;

	if (!st->ending)
		first_ended(s, d, msg, dial);
	if (st->failures < d->cfg->policy.deaths)
		return stack_try(s, d);
	rf_log("%s: its stack ended %u times right after its start, and moved no frame",
	       d->cfg->name, st->failures);
	d->r.code = RF_EXIT_FAILED;
	dev_stop(s, d);
}
