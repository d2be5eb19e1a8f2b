/* SPDX-License-Identifier: MIT */
/* keeper_client.c - the supervisor's half of keeper.h. Room: sandbox/supervisor, no privilege. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

/* Events that arrived while an answer was awaited: poll() does not report them any more. */
#define RF_KEEP_BACKLOG (2 * RF_KEEP_EVENTS + 8)
static struct rf_keep_msg backlog[RF_KEEP_BACKLOG];
static int backlog_count;

/* Several stops count as one, and the keeper tells no more deaths than it has acknowledged, but for
 * those whose name a new process has: the backlog does not overflow. */
static void backlog_add(const struct rf_keep_msg *msg)
{
	for (int i = 0; i < backlog_count; i++)
		if (msg->type != RF_KEEP_EXITED && backlog[i].type == msg->type)
			return;
	RF_BUG_ON(backlog_count == RF_KEEP_BACKLOG);
	backlog[backlog_count++] = *msg;
}

static int keeper_client_receive(struct sup *s, struct rf_keep_msg *msg, int *fd, int flags)
{
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(s->keeper, msg, sizeof(*msg), fds, &count, flags);

	if (n == -EAGAIN)
		return 0;
	if (n != sizeof(*msg))
		rf_die(RF_EXIT_BUG, "the keeper is gone");
	*fd = count ? fds[0] : -1;
	return 1;
}

static int call(struct sup *s, struct rf_keep_msg *msg, const int *fds, int count, int *fd)
{
	struct rf_keep_msg reply;
	int got = -1;
	int err = rf_packet_send(s->keeper, msg, sizeof(*msg), fds, count);

	if (err)
		return err;
	while (keeper_client_receive(s, &reply, &got, 0) && reply.type != RF_KEEP_REPLY)
		backlog_add(&reply);
	if (fd)
		*fd = got;
	else if (got >= 0)
		close(got);
	*msg = reply;
	return reply.error;
}

static struct rf_keep_msg keeper_client_request(enum rf_keep_type type, const char *name)
{
	struct rf_keep_msg msg = { .type = type };

	RF_BUG_ON(strlen(name) >= sizeof(msg.name));
	strcpy(msg.name, name);
	return msg;
}

int keep_spawn(struct sup *s, const char *name, struct rf_keep_spawn *spawn, const int *fds,
	       int count, pid_t *pid, int *pidfd)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_SPAWN, name);

	msg.spawn = *spawn;
	int err = call(s, &msg, fds, count, pidfd);
	*pid = msg.pid;
	return err;
}

int keep_store(struct sup *s, const char *name, int fd)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_STORE, name);

	return call(s, &msg, &fd, 1, NULL);
}

int keep_retrieve(struct sup *s, const char *name)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_RETRIEVE, name);
	int fd = -1;
	int err = call(s, &msg, NULL, 0, &fd);

	return err ? err : fd;
}

int keep_list(struct sup *s, struct rf_keep_msg *msg)
{
	msg->type = RF_KEEP_LIST;
	return call(s, msg, NULL, 0, NULL);
}

void keep_ack_exit(struct sup *s, const struct rf_keep_msg *dead)
{
	struct rf_keep_msg msg = *dead;

	msg.type = RF_KEEP_ACK_EXIT;
	(void)call(s, &msg, NULL, 0, NULL); /* -ENOENT: a new process has the name */
}

int keep_kill(struct sup *s, const char *name)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_KILL, name);

	return call(s, &msg, NULL, 0, NULL);
}

void keep_delete(struct sup *s, const char *prefix)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_DELETE, prefix);

	(void)call(s, &msg, NULL, 0, NULL);
}

int keep_walls(struct sup *s, const char *name, struct rf_wall_report *walls)
{
	struct rf_keep_msg msg = keeper_client_request(RF_KEEP_WALLS, name);
	int err = call(s, &msg, NULL, 0, NULL);

	*walls = msg.walls;
	return err;
}

int keep_reload(struct sup *s, int log)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_RELOAD };

	return call(s, &msg, &log, log >= 0, NULL);
}

int keep_renew(struct sup *s)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_RENEW };

	return call(s, &msg, NULL, 0, NULL);
}

void keep_pong(struct sup *s)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_PONG };

	(void)call(s, &msg, NULL, 0, NULL);
}

bool keep_pending(void)
{
	return backlog_count > 0;
}

int keep_event(struct sup *s, struct rf_keep_msg *msg)
{
	int fd;

	if (backlog_count) {
		*msg = backlog[0];
		memmove(backlog, backlog + 1, sizeof(backlog[0]) * (size_t)--backlog_count);
		return 1;
	}
	return keeper_client_receive(s, msg, &fd, MSG_DONTWAIT);
}
