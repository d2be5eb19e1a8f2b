/* SPDX-License-Identifier: MIT */
/* proxy.c - see proxy.h. Room: net/export/lwip, trusted. */
#include "proxy.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "reach.h"
#include "socks.h"

static void host_event(struct loop_watch *w)
{
	struct proxy *j = (struct proxy *)w;

	struct socks_place to = { .name = "" };

	if (j->state == PROXY_SOCKS) {
		if (socks_input(j, &to))
			proxy_reach(j, to.name, &to.address);
	} else if (j->state == PROXY_RUN)
		proxy_run(j);
}

void proxy_host(struct proxy *j, int fd)
{
	j->host = (struct loop_watch){ .fd = fd, .call = host_event };
}

static void stream_changed(struct stream *s, void *owner)
{
	struct proxy *j = owner;

	if (j->state == PROXY_CONNECT && s->error)
		proxy_next(j, s->error);
	else if (j->state == PROXY_CONNECT && s->connected) {
		j->state = PROXY_RUN;
		if (!j->socks || socks_answer(j, 0))
			proxy_run(j);
	} else if (j->state == PROXY_RUN)
		proxy_run(j);
	else if (s->error) /* it ended before the host's end was there */
		proxy_drop(j, false);
}

struct proxy *proxy_new(struct service *service)
{
	return proxy_take(service, stream_changed);
}

/* False: the proxied connection is gone. */
static bool to_host(struct proxy *j, bool *blocked)
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
			proxy_drop(j, true);
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
static ssize_t host_read(struct proxy *j)
{
	struct iovec iov = { j->out, sizeof(j->out) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = recvmsg(j->host.fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static bool to_stack(struct proxy *j)
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
			proxy_drop(j, true);
			return false;
		}
		j->host_ended = !n;
		j->out_len = (uint32_t)n;
	}
}

void proxy_run(struct proxy *j)
{
	bool blocked = false;

	/* Bytes that arrived before a reset are handed on, as far as they fit. */
	if (!to_host(j, &blocked))
		return;
	if (j->stream->error) {
		proxy_drop(j, true);
		return;
	}
	if (!to_stack(j))
		return;
	if (j->host_shut && j->stream_shut) {
		proxy_drop(j, false);
		return;
	}
	bool hungry = !j->host_ended && !j->out_len && stream_room(j->stream);
	loop_want(&j->host, (hungry ? EPOLLIN : 0) | (blocked ? EPOLLOUT : 0));
}

struct proxy *proxy_unasked(void)
{
	for (struct proxy *j = proxy_after(NULL); j; j = proxy_after(j))
		if (j->state == PROXY_DIAL && !j->asked)
			return j;
	return NULL;
}

void proxy_tick(uint64_t now)
{
	for (struct proxy *j = proxy_after(NULL); j; j = proxy_after(j)) {
		if (j->state == PROXY_RUN && j->out_len)
			proxy_run(
				/* the stack was out of segments, and gives no event when some
				  * are free */
				j);
		else if (j->state != PROXY_RUN && now > j->until)
			proxy_fail(j, -ETIMEDOUT);
		else if (j->name[0] && !j->second && now > j->next_try &&
			 (j->state == PROXY_RESOLVE || j->state == PROXY_CONNECT))
			proxy_next(j, -ETIMEDOUT);
	}
}
