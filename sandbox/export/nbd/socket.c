/* SPDX-License-Identifier: MIT */
/*
 * socket.c - clients over stream sockets: accept, receive, send, epoll.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "export_config.h"
#include "log.h"
#include "nbd.h"

static ssize_t socket_receive(struct nbd_conn *c, struct iovec *iov, int pieces)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = pieces };
	ssize_t n;

	do
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t socket_send(struct nbd_conn *c, struct iovec *iov, int pieces)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = pieces };
	ssize_t n;

	do
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void epoll_update(struct nbd_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.u64 = c->id << 8 | (uint64_t)(c - c->server->conns);
	if (epoll_ctl(c->server->epoll, op, c->fd, &ev))
		rf_die(RF_EXIT_BUG, "epoll_ctl: %s", strerror(errno));
}

/* The fd is in the epoll set, which reports its end even when nothing is waited for. */
#define IN_THE_SET 0x80000000u
static void socket_watch(struct nbd_conn *c, bool receive, bool send)
{
	uint32_t want = (receive ? EPOLLIN : 0) | (send ? EPOLLOUT : 0);

	if ((want | IN_THE_SET) == c->events)
		return;
	epoll_update(c, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, want);
	c->events = want | IN_THE_SET;
}

static void socket_close(struct nbd_conn *c)
{
	close(c->fd);
	c->fd = -1;
}

static const struct nbd_transport over_socket = {
	.receive = socket_receive,
	.send = socket_send,
	.watch = socket_watch,
	.close = socket_close,
};

/* Takes a slot; the peer is the user at the other end. */
static struct nbd_conn *slot_of_fd(struct nbd_server *srv, int fd)
{
	struct ucred who = { .uid = ~0u };
	socklen_t bytes = sizeof(who);
	char peer[NBD_PEER] = "an unknown user";

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes))
		snprintf(peer, sizeof(peer), "uid %u", who.uid);
	struct nbd_conn *c = nbd_conn_slot(srv, peer);
	c->transport = &over_socket;
	c->fd = fd;
	return c;
}

/* Accepts at most as many as there are slots in one go, so that others have their turn. */
void nbd_accept(struct nbd_server *srv)
{
	for (uint32_t i = 0; i < NBD_SLOTS && nbd_slot_possible(srv); i++) {
		int fd = rf_accept(RF_EXPORT_FD_LISTEN, NULL, NULL);

		if (fd >= 0 && rf_blk_gone(srv->service)) {
			close(fd);
			return;
		}
		if (fd >= 0) {
			nbd_conn_open(slot_of_fd(srv, fd), &srv->whole);
			continue;
		}
		if (fd == -ENOBUFS)
			srv->listen_ns = srv->now + RF_ACCEPT_PAUSE_NS;
		return;
	}
}
