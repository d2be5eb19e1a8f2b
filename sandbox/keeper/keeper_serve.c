/* SPDX-License-Identifier: MIT */
/*
 * keeper_serve.c - what the keeper does for the supervisor. See keeper.h.
 *
 * Room:   sandbox/keeper, two capabilities.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper_inside.h"
#include "log.h"
#include "packet.h"

bool keeper_notify(struct keeper *k, struct rf_keep_msg *msg, const int *fds, int count)
{
	return rf_packet_offer(k->client, msg, sizeof(*msg), fds, count) != -EAGAIN;
}

static int do_put(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count)
{
	if (count != 1)
		return -EINVAL;
	struct slot *s = slot_find(&k->slots, msg->name);
	if (s && s->pid)
		return -EBUSY;
	if (s)
		close(s->fd);
	else if (!(s = slot_new(&k->slots, msg->name)))
		return -ENFILE;
	s->fd = fds[0];
	fds[0] = -1;
	return 0;
}

/* Kills a process that there is no memory to keep in mind: it was started a moment ago. */
static int forget_started(struct keeper *k, struct slot *s)
{
	kill(s->run.pid, SIGKILL);
	if (s->run.report >= 0)
		close(s->run.report);
	s->fd = s->run.pidfd;
	slot_free(&k->slots, s);
	return -ENOMEM;
}

/* The zygote starts a process as `s`, or another one reads the configuration. */
static int start(struct keeper *k, struct slot *s, const struct rf_keep_msg *msg, const int *fds,
		 int count)
{
	if (msg->type == RF_KEEP_RELOAD)
		return rf_zygote_load(&k->zygote, count ? fds[0] : -1, &s->run);
	return rf_zygote_run(&k->zygote, &msg->spawn, fds, count, &s->run);
}

static int do_spawn(struct keeper *k, struct rf_keep_msg *msg, const int *fds, int count)
{
	struct slot *s = slot_find(&k->slots, msg->name);
	if (s && !s->dead)
		return -EEXIST;
	if (s)
		slot_free(&k->slots, s);
	if (!(s = slot_new(&k->slots, msg->name)))
		return -ENFILE;
	int err = start(k, s, msg, fds, count);
	if (err) {
		slot_free(&k->slots, s);
		return err;
	}
	rf_spawn_seize(&s->run);
	if (slot_process(&k->slots, s))
		return forget_started(k, s);
	if (s->exit_info) /* it is a driver */
		memcpy(s->notify, msg->spawn.notify, RF_KEEP_NAME - 1);
	s->generation = msg->spawn.generation;
	msg->pid = s->pid;
	return 0;
}

/* The supervisor goes, and its successor starts with the configuration that was read. */
static int do_renew(struct keeper *k)
{
	struct slot *s = slot_find(&k->slots, RF_KEEP_LOADER);

	if (!s || !s->dead)
		return -ENOENT;
	slot_free(&k->slots, s);
	k->renew = true;
	return 0;
}

static int do_kill(struct keeper *k, const char *name)
{
	struct slot *s = slot_find(&k->slots, name);

	if (!s || !s->pid || s->dead)
		return -ENOENT;
	/* Not reaped yet, so the pid cannot be another's. */
	return kill(s->pid, SIGKILL) ? -errno : 0;
}

static int do_list(struct keeper *k, struct rf_keep_msg *msg)
{
	for (const struct slot *s = k->slots.first; s; s = s->behind) {
		if (s->number < msg->at)
			continue;
		memcpy(msg->name, s->name, RF_KEEP_NAME);
		msg->pid = s->pid;
		msg->status = s->dead;
		msg->at = s->number + 1;
		return 0;
	}
	return -ENOENT;
}

static int do_ack_exit(struct keeper *k, const struct rf_keep_msg *msg)
{
	struct slot *s = slot_find(&k->slots, msg->name);

	if (!s || !s->dead || s->pid != msg->pid)
		return -ENOENT;
	slot_free(&k->slots, s);
	return 0;
}

static int do_walls(struct keeper *k, struct rf_keep_msg *msg)
{
	struct slot *s = slot_find(&k->slots, msg->name);

	if (!s || !s->pid || s->dead)
		return -ENOENT;
	rf_spawn_walls(&s->run);
	msg->walls = s->run.walls;
	return 0;
}

/* *give: the fd that goes with the answer; -1: none. */
static int keeper_obey(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count, int *give)
{
	struct slot *s;
	int err = 0;

	switch (msg->type) {
	case RF_KEEP_STORE:
		return do_put(k, msg, fds, count);
	case RF_KEEP_RETRIEVE:
		s = slot_find(&k->slots, msg->name);
		*give = s ? s->fd : -1;
		return s ? 0 : -ENOENT;
	case RF_KEEP_DELETE:
		slots_drop(&k->slots, msg->name);
		return 0;
	case RF_KEEP_RELOAD:
	case RF_KEEP_SPAWN:
		err = msg->type == RF_KEEP_SPAWN && !count ? -EINVAL : do_spawn(k, msg, fds, count);
		s = err ? NULL : slot_find(&k->slots, msg->name);
		*give = s ? s->fd : -1;
		return err;
	case RF_KEEP_RENEW:
		return do_renew(k);
	case RF_KEEP_WALLS:
		return do_walls(k, msg);
	case RF_KEEP_KILL:
		return do_kill(k, msg->name);
	case RF_KEEP_LIST:
		return do_list(k, msg);
	case RF_KEEP_PONG:
		k->unanswered = 0;
		return 0;
	case RF_KEEP_ACK_EXIT:
		return do_ack_exit(k, msg);
	default:
		return -EINVAL;
	}
}

void keeper_serve(struct keeper *k)
{
	struct rf_keep_msg msg;
	int fds[RF_PACKET_FDS], count, give = -1;
	int n = rf_packet_recv(k->client, &msg, sizeof(msg), fds, &count, MSG_DONTWAIT);

	if (n <= 0)
		return;
	RF_BUG_ON(n != sizeof(msg));
	msg.name[RF_KEEP_NAME - 1] = '\0';
	if (msg.type == RF_KEEP_RELOAD)
		strcpy(msg.name, RF_KEEP_LOADER);
	msg.error = keeper_obey(k, &msg, fds, count, &give);
	msg.type = RF_KEEP_REPLY;
	/* A supervisor that asks also reads. One whose socket is full has lost its answer and
	 * all events meanwhile. */
	if ((!keeper_notify(k, &msg, &give, give >= 0) || k->renew) && k->supervisor)
		kill(k->supervisor, SIGKILL);
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
