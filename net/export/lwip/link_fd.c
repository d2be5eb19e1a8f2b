/* SPDX-License-Identifier: MIT */
/*
 * link_fd.c - a link that is an fd: a frame a read, a frame a write (TAP, SEQPACKET).
 *
 * Room:   net/export/lwip, trusted.
 * Use:    a stack without any device of ours: beside a kernel's network, and in tests.
 * fds:    the ones a net service would have: frames are read from RF_EXPORT_FD_KICK and
 *         written to RF_EXPORT_FD_WAKE0, so that one system call list fits both.
 */
#include "export_config.h"
#include "link_fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define FRAME_MAX 9216

static uint8_t in[FRAME_MAX], out[FRAME_MAX];

static int link_fd_receive(struct link *link, link_frame *frame, void *arg, int most)
{
	int n = 0;

	(void)link;
	for (; n < most; n++) {
		ssize_t got = read(RF_EXPORT_FD_KICK, in, sizeof(in));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EIO || errno == ENETDOWN))
			break;
		if (got <= 0)
			rf_die(RF_EXIT_BUG, "the link's fd has ended: %s",
			       got ? strerror(errno) : "no more frames");
		frame(arg, in, (uint32_t)got, false);
	}
	return n;
}

static void *link_fd_room(struct link *link, uint32_t length)
{
	(void)link;
	return length <= sizeof(out) ? out : NULL;
}

/* A frame that the fd does not take is lost, as on a wire. */
static void link_fd_send_now(struct link *link, uint32_t length)
{
	if (write(RF_EXPORT_FD_WAKE0, out, length) != (ssize_t)length)
		link->tx_full++;
}

static void link_fd_flush(struct link *link)
{
	(void)link;
}

static const struct link_ops ops = {
	.receive = link_fd_receive,
	.room = link_fd_room,
	.send = link_fd_send_now,
	.flush = link_fd_flush,
};

static void readable(struct loop_watch *w)
{
	(void)w; /* to wake up was all */
}

void link_fd_open(struct link *link, struct loop_watch *watch, const uint8_t mac[6], uint16_t mtu)
{
	*link = (struct link){ .ops = &ops, .mtu = mtu, .known = true, .up = true };
	memcpy(link->mac, mac, 6);
	*watch = (struct loop_watch){ .fd = RF_EXPORT_FD_KICK, .call = readable };
	loop_want(watch, EPOLLIN);
}
