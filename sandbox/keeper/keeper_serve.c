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

struct slot *slot_find(struct keeper *k, const char *name)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].name[0] && !strcmp(k->slots[i].name, name))
			return &k->slots[i];
	return NULL;
}

static struct slot *slot_new(struct keeper *k, const char *name)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (!k->slots[i].name[0]) {
			memcpy(k->slots[i].name, name, RF_KEEP_NAME);
			return &k->slots[i];
		}
	return NULL;
}

static void slot_free(struct slot *s)
{
	close(s->fd);
	*s = (struct slot){ 0 };
}

bool keeper_notify(struct keeper *k, struct rf_keep_msg *msg, const int *fds, int count)
{
	return rf_packet_offer(k->client, msg, sizeof(*msg), fds, count) != -EAGAIN;
}

static int do_put(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count)
{
	if (count != 1)
		return -EINVAL;
	struct slot *s = slot_find(k, msg->name);
	if (s && s->pid)
		return -EBUSY;
	if (s)
		close(s->fd);
	else if (!(s = slot_new(k, msg->name)))
		return -ENFILE;
	s->fd = fds[0];
	fds[0] = -1;
	return 0;
}

void keeper_drop(struct keeper *k, const char *prefix)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].name[0] && !k->slots[i].pid &&
		    !strncmp(k->slots[i].name, prefix, strlen(prefix)))
			slot_free(&k->slots[i]);
}

static int do_spawn(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count)
{
	struct slot *s = slot_find(k, msg->name);
	if (count < 1 || (s && !s->dead))
		return -EEXIST;
	if (s)
		slot_free(s);
	if (!(s = slot_new(k, msg->name)))
		return -ENFILE;
	int err = rf_zygote_run(&k->zygote, &msg->spawn, fds, count, &s->run);
	if (err) {
		*s = (struct slot){ 0 };
		return err;
	}
	rf_spawn_seize(&s->run);
	memcpy(s->notify, msg->spawn.notify, RF_KEEP_NAME - 1);
	s->generation = msg->spawn.generation;
	s->fd = s->run.pidfd;
	msg->pid = s->pid = s->run.pid;
	return 0;
}

static int do_kill(struct keeper *k, const char *name)
{
	struct slot *s = slot_find(k, name);

	if (!s || !s->pid || s->dead)
		return -ENOENT;
	/* Not reaped yet, so the pid cannot be another's. */
	return kill(s->pid, SIGKILL) ? -errno : 0;
}

static int do_list(struct keeper *k, struct rf_keep_msg *msg)
{
	for (uint32_t i = msg->at; i < RF_KEEP_SLOTS; i++) {
		const struct slot *s = &k->slots[i];

		if (!s->pid || s->dead)
			continue;
		memcpy(msg->name, s->name, RF_KEEP_NAME);
		msg->pid = s->pid;
		msg->at = i + 1;
		return 0;
	}
	return -ENOENT;
}

static int do_ack_exit(struct keeper *k, const struct rf_keep_msg *msg)
{
	struct slot *s = slot_find(k, msg->name);

	if (!s || !s->dead || s->pid != msg->pid)
		return -ENOENT;
	slot_free(s);
	return 0;
}

static int do_walls(struct keeper *k, struct rf_keep_msg *msg)
{
	struct slot *s = slot_find(k, msg->name);

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
		s = slot_find(k, msg->name);
		*give = s ? s->fd : -1;
		return s ? 0 : -ENOENT;
	case RF_KEEP_DELETE:
		keeper_drop(k, msg->name);
		return 0;
	case RF_KEEP_SPAWN:
		err = do_spawn(k, msg, fds, count);
		s = err ? NULL : slot_find(k, msg->name);
		*give = s ? s->fd : -1;
		return err;
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
	msg.error = keeper_obey(k, &msg, fds, count, &give);
	msg.type = RF_KEEP_REPLY;
	/* A supervisor that asks also reads. One whose socket is full has lost its answer and
	 * all events meanwhile. */
	if (!keeper_notify(k, &msg, &give, give >= 0) && k->supervisor)
		kill(k->supervisor, SIGKILL);
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
