/* SPDX-License-Identifier: MIT */
/* join.c - see join.h. Room: net/export/lwip, trusted. */
#include "join.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "reach.h"
#include "socks.h"

static void host_event(struct loop_watch *w)
{
	struct join *j = (struct join *)w;

	struct socks_place to = { .name = "" };

	if (j->state == JOIN_SOCKS) {
		if (socks_input(j, &to))
			join_reach(j, to.name, &to.address);
	} else if (j->state == JOIN_RUN)
		join_run(j);
}

void join_host(struct join *j, int fd)
{
	j->host = (struct loop_watch){ .fd = fd, .call = host_event };
}

static void stream_changed(struct stream *s, void *owner)
{
	struct join *j = owner;

	if (j->state == JOIN_CONNECT && s->error)
		join_next(j, s->error);
	else if (j->state == JOIN_CONNECT && s->connected) {
		j->state = JOIN_RUN;
		if (!j->socks || socks_answer(j, 0))
			join_run(j);
	} else if (j->state == JOIN_RUN)
		join_run(j);
	else if (s->error) /* it ended before the host's end was there */
		join_drop(j, false);
}

struct join *join_new(struct service *service)
{
	return join_take(service, stream_changed);
}

/* False: the join is gone. */
static bool to_host(struct join *j, bool *blocked)
{
	struct stream *s = j->stream;
	struct iovec piece[2];
	int n;

	while ((n = stream_peek(s, piece))) {
		struct msghdr msg = { .msg_iov = piece, .msg_iovlen = n };
		ssize_t sent = sendmsg(j->host.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			*blocked = true;
			return true;
		}
		if (sent < 0) {
			join_drop(j, true);
			return false;
		}
		j->service->to_host += (uint64_t)sent;
		stream_consume(s, (size_t)sent);
	}
	if (s->finished && !j->host_shut) {
		j->host_shut = true;
		shutdown(j->host.fd, SHUT_WR);
	}
	return true;
}

/* Bytes read: 0 the end, -EAGAIN none now, -errno the connection broke. */
static ssize_t host_read(struct join *j)
{
	struct iovec iov = { j->out, sizeof(j->out) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = recvmsg(j->host.fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static bool to_stack(struct join *j)
{
	for (;;) {
		if (j->out_at < j->out_len) {
			size_t n =
				stream_write(j->stream, j->out + j->out_at, j->out_len - j->out_at);

			j->service->to_stack += n;
			j->out_at += (uint32_t)n;
			if (j->out_at < j->out_len)
				return true;
		}
		j->out_at = j->out_len = 0;
		if (j->host_ended) {
			if (!j->stream_shut)
				stream_shutdown(j->stream);
			j->stream_shut = true;
			return true;
		}
		if (!stream_room(j->stream))
			return true;
		ssize_t n = host_read(j);
		if (n == -EAGAIN)
			return true;
		if (n < 0) {
			join_drop(j, true);
			return false;
		}
		j->host_ended = !n;
		j->out_len = (uint32_t)n;
	}
}

void join_run(struct join *j)
{
	bool blocked = false;

	/* Bytes that arrived before a reset are handed on, as far as they fit. */
	if (!to_host(j, &blocked))
		return;
	if (j->stream->error) {
		join_drop(j, true);
		return;
	}
	if (!to_stack(j))
		return;
	if (j->host_shut && j->stream_shut) {
		join_drop(j, false);
		return;
	}
	bool hungry = !j->host_ended && !j->out_len && stream_room(j->stream);
	loop_want(&j->host, (hungry ? EPOLLIN : 0) | (blocked ? EPOLLOUT : 0));
}

struct join *join_unasked(void)
{
	for (struct join *j = join_after(NULL); j; j = join_after(j))
		if (j->state == JOIN_DIAL && !j->asked)
			return j;
	return NULL;
}

void join_tick(uint64_t now)
{
	for (struct join *j = join_after(NULL); j; j = join_after(j)) {
		if (j->state == JOIN_RUN && j->out_len)
			join_run(
				/* the stack was out of segments, and gives no event when some
				 * are free */
				j);
		else if (j->state != JOIN_RUN && now > j->until)
			join_fail(j, -ETIMEDOUT);
		else if (j->name[0] && !j->second && now > j->next_try &&
			 (j->state == JOIN_RESOLVE || j->state == JOIN_CONNECT))
			join_next(j, -ETIMEDOUT);
	}
}
