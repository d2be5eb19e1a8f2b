/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-tap: the net service as an interface of the kernel.
 *
 * Room:   net/export/tap, trusted, unprivileged. Locked before it touches a frame.
 * Start:  no arguments; fds of enum rf_export_fd, the TAP at RF_EXPORT_FD_LISTEN.
 * Turn:   received frames to the kernel, frames to send from it; with nothing either way:
 *         look again for a while, then sleep. How long, at most the spin budget, is learnt:
 *         looking is worth it only while sleeps turn out to be shorter than that.
 * Exit:   0 when the device process is gone, 66 after a line when the interface is, 70 after one
 *         line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "clock.h"
#include "export_config.h"
#include "housekeeping.h"
#include "lock.h"
#include "log.h"
#include "tap.h"
#include "wait.h"

#define FD_TAP    RF_EXPORT_FD_LISTEN
#define TAG_BYTES 4u /* IEEE 802.1Q */
#define TICK_NS   5000000u /* while awake; see rf_net_tick() */
#define LOOK_EVERY 32u /* empty turns of the rings between two looks at the kernel's side */
#define FOREVER_NS 20000u /* between looks at the sockets, if it never sleeps */

struct tap {
	struct rf_net *net;
	uint32_t       features;
	int            carrier;  /* as last reported to the kernel */
	uint32_t       buffer;   /* for the next frame to send; 0: none */
	bool           blocked;  /* no slot or buffer for a frame to send */
	bool           too_long; /* a frame longer than the device takes was logged */
	struct tap_segments cut; /* one that is sent in pieces */
	uint64_t       tick_ns;
	uint64_t       spin_ns;  /* how long looking again is worth it now */
	struct rf_housekeeping housekeeping;
};

static void tap_control(struct tap *t)
{
	int err = rf_net_control(t->net);

	if (err == -EPIPE)
		exit(0);
	if (err)
		rf_die(RF_EXIT_BUG, "ends: control socket: %s", strerror(-err));
}

/* The interface was deleted. The supervisor makes it anew. */
static _Noreturn void interface_gone(void)
{
	rf_die(RF_EXIT_NO_DEVICE, "its interface was deleted");
}

/* The interface's cable follows the device's, and nothing else. */
static void follow_link(struct tap *t)
{
	int up = rf_net_carrier(t->net);

	if (up == t->carrier)
		return;
	t->carrier = up;
	if (!ioctl(FD_TAP, TUNSETCARRIER, &up))
		return;
	if (errno == EBADFD)
		interface_gone();
	rf_log("cannot tell the kernel that the link is %s: %s", up ? "up" : "down",
		       strerror(errno));
}

/* ---- received frames ------------------------------------------------------------ */

/* Counts a lost frame: as on a wire, nobody is told. */
static void lost(struct tap *t)
{
	atomic_fetch_add_explicit(&rf_net_stats(t->net)->rx_lost_export, 1, memory_order_relaxed);
}

/* The first record as pieces: what was copied of it from `head`, the rest from the arena. A tag
 * the device took off belongs behind the two addresses. Number of pieces, at most 4. */
static int first_pieces(struct iovec *iov, const struct rf_net_frame *f, unsigned char *head,
			uint32_t copied, unsigned char *tag, unsigned char *arena)
{
	uint32_t from = 0;
	int n = 0;

	if (f->flags & RF_NET_VLAN) {
		from = 2 * ETH_ALEN;
		iov[n++] = (struct iovec){ copied ? head : arena, from };
		iov[n++] = (struct iovec){ tag, TAG_BYTES };
	}
	if (copied) {
		iov[n++] = (struct iovec){ head + from, copied - from };
		from = copied;
	}
	iov[n++] = (struct iovec){ arena + from, f->length - from };
	return n;
}

/* One frame of `parts` records to the kernel, which copies it. */
static void deliver(struct tap *t, const struct rf_net_frame *f, unsigned parts)
{
	struct virtio_net_hdr header;
	struct iovec iov[RF_NET_PARTS + 4] = { { &header, sizeof(header) } };
	unsigned char tag[TAG_BYTES] = { 0x81, 0x00, (unsigned char)(f->vlan >> 8),
					 (unsigned char)f->vlan };
	unsigned char head[TAP_HEADERS], *arena = rf_net_at(t->net, f->at);
	uint32_t copied = !f->gso ? 0 : f->length < TAP_HEADERS ? f->length : TAP_HEADERS;

	memcpy(head, arena, copied);
	if (!tap_header_in(&header, f, head, copied))
		return lost(t);
	if (f->flags & RF_NET_VLAN && f->flags & RF_NET_CSUM)
		header.csum_start += TAG_BYTES;
	if (f->flags & RF_NET_VLAN && f->gso)
		header.hdr_len += TAG_BYTES;
	int n = 1 + first_pieces(iov + 1, f, head, copied, tag, arena);
	for (unsigned i = 1; i < parts; i++)
		iov[n++] = (struct iovec){ rf_net_at(t->net, f[i].at), f[i].length };
	/* Refused: the interface is down, or out of memory. */
	if (writev(FD_TAP, iov, n) < 0)
		lost(t);
}

static unsigned tap_receive(struct tap *t)
{
	struct rf_net_frame f[TAP_BATCH];
	unsigned n = rf_net_rx(t->net, f, TAP_BATCH);

	for (unsigned i = 0, parts; i < n; i += parts) {
		parts = 1;
		while (f[i + parts - 1].flags & RF_NET_MORE)
			parts++;
		deliver(t, &f[i], parts);
	}
	rf_net_rx_done(t->net, f, n);
	return n;
}

/* ---- frames to send ---------------------------------------------------------------- */

static void in_software(struct tap *t)
{
	atomic_fetch_add_explicit(&rf_net_stats(t->net)->tx_software, 1, memory_order_relaxed);
}

/* Hands a frame to the service, which counts what it refuses. A refusal is logged once: an
 * interface's MTU is its owner's to set. */
static void hand_on(struct tap *t, const struct rf_net_frame *f)
{
	uint32_t mtu = rf_net_info(t->net)->mtu;

	if (!rf_net_tx(t->net, f)) {
		t->buffer = 0;
	} else if (!t->too_long && !f->gso && f->length > mtu + ETH_HLEN + TAG_BYTES) {
		t->too_long = true;
		rf_log("a frame of %u bytes is longer than the device takes, and is dropped: set "
		       "the "
		       "interface's MTU to %u or less",
		       f->length, mtu);
	}
}

/* The next piece of a frame that is cut here, into the buffer. False: there is none. */
static bool next_piece(struct tap *t)
{
	struct rf_net_frame f = { .at = t->buffer };

	f.length = (uint16_t)tap_segments_next(&t->cut, rf_net_at(t->net, t->buffer));
	if (!f.length)
		return false;
	hand_on(t, &f);
	return true;
}

/* A frame of `length` bytes in the buffer, as the kernel says what it is. */
static void send_one(struct tap *t, const struct virtio_net_hdr *header, uint32_t length)
{
	struct rf_net_frame f = { .at = t->buffer };
	unsigned char *at = rf_net_at(t->net, t->buffer);

	switch (tap_header_out(&f, header, at, length, t->features)) {
	case TAP_SUMMED:
		if (t->features & RF_NET_HAS_TX_CSUM)
			in_software(t);
		/* fall through */
	case TAP_DEVICE:
		hand_on(t, &f);
		break;
	case TAP_SEGMENT:
		if (tap_segments_begin(&t->cut, header, at, length, rf_net_info(t->net)->mtu)) {
			in_software(t);
			break;
		}
		/* fall through */
	case TAP_REFUSED:
		rf_net_tx_refuse(t->net);
		break;
	}
}

/* One frame of the kernel's into a buffer the device reads. False: there is none now. */
static bool tap_fetch(struct tap *t)
{
	struct virtio_net_hdr header;
	struct iovec iov[] = { { &header, sizeof(header) },
			       { rf_net_at(t->net, t->buffer), rf_net_tx_bytes(t->net) } };

	if (next_piece(t))
		return true;
	ssize_t got = readv(FD_TAP, iov, 2);

	if (got < 0) {
		if (errno == EBADFD)
			interface_gone();
		if (errno != EAGAIN && errno != EINTR && errno != EIO)
			rf_die(RF_EXIT_BUG, "reading from the TAP: %s", strerror(errno));
		return false;
	}
	if (got >= (ssize_t)sizeof(header))
		send_one(t, &header, (uint32_t)(got - (ssize_t)sizeof(header)));
	return true; /* a buffer that was not sent serves the next frame */
}

static unsigned send_frames(struct tap *t)
{
	unsigned room = rf_net_tx_room(t->net, TAP_BATCH), n = 0;

	for (; n < room && n < TAP_BATCH; n++) {
		if (!t->buffer && !(t->buffer = rf_net_tx_alloc(t->net)))
			break;
		if (!tap_fetch(t))
			break;
	}
	t->blocked = !room || !t->buffer;
	if (t->blocked && room > n)
		t->blocked = !(t->buffer = rf_net_tx_alloc(t->net));
	return n;
}

/* ---- waiting --------------------------------------------------------------------------- */

static void tap_tick(struct tap *t, uint64_t now)
{
	if (now - t->tick_ns < TICK_NS)
		return;
	t->tick_ns = now;
	rf_net_tick(t->net);
	follow_link(t);
}

/* What the budget allows: 0 while no driver runs. */
static uint64_t spin_most(const struct tap *t)
{
	return rf_net_up(t->net) ? rf_net_config(t->net)->spin_ns : 0;
}

/* Adapts the polling budget after a sleep. If frames come this close together, polling finds the
 * next one; if they are further apart, it only takes time from whoever makes them. */
static void spin_learn(struct tap *t, uint64_t slept_ns)
{
	uint64_t most = spin_most(t), least = most / 8;

	if (slept_ns < most)
		t->spin_ns = t->spin_ns < least ? least : t->spin_ns * 2;
	else
		t->spin_ns /= 2;
	if (t->spin_ns > most)
		t->spin_ns = most;
	else if (t->spin_ns < least)
		t->spin_ns = 0;
}

static void tap_sleep_once(struct tap *t)
{
	struct pollfd p[] = { { .fd = RF_EXPORT_FD_CONTROL, .events = POLLIN },
			      { .fd = RF_EXPORT_FD_KICK, .events = POLLIN },
			      { .fd = t->blocked ? -1 : FD_TAP, .events = POLLIN } };

	if (!rf_net_sleep(t->net, t->blocked))
		return;
	uint64_t from = rf_now_ns();
	int n = rf_wait_fds(p, 3, rf_net_patience(t->net));
	if (n < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "poll: %s", strerror(errno));
	rf_net_wake(t->net, n > 0 && p[1].revents);
	if (n > 0 && p[0].revents)
		tap_control(t);
	if (n > 0 && p[2].revents & (POLLERR | POLLHUP | POLLNVAL))
		interface_gone();
	uint64_t now = rf_now_ns();
	spin_learn(t, now - from);
	tap_tick(t, now);
}

/* Nothing came: looks at the rings for a while, and at the kernel now and then. */
static void tap_idle(struct tap *t)
{
	uint64_t most = spin_most(t),
		 budget = most == UINT64_MAX || t->spin_ns > most ? most : t->spin_ns;
	uint64_t until = 0;

	for (unsigned empty = 1; budget; empty++) {
		__builtin_ia32_pause();
		unsigned work = tap_receive(t);
		if (!(empty % LOOK_EVERY)) {
			work += send_frames(t);
			uint64_t now = rf_now_ns();
			if (!until)
				until = now + (budget == UINT64_MAX ? FOREVER_NS : budget);
			else if (now >= until)
				break;
		}
		if (work) {
			rf_net_push(t->net);
			return;
		}
	}
	if (budget != UINT64_MAX)
		return tap_sleep_once(t);
	/* It never sleeps, but messages must be read. */
	tap_control(t);
	tap_tick(t, rf_now_ns());
}

static void tap_run(struct tap *t)
{
	for (;;) {
		unsigned work = tap_receive(t);

		/* Buffers that came back go to the driver early. */
		rf_net_push(t->net);
		work += send_frames(t);
		rf_net_push(t->net);
		if (!work)
			tap_idle(t);
		/* However the frames come: a look that found nothing may always be followed by
		 * one that does, without a sleep in between. */
		if (rf_housekeeping_due(&t->housekeeping, RF_TURN_CALLS)) {
			tap_control(t);
			tap_tick(t, rf_now_ns());
		}
	}
}

/* ---- start -------------------------------------------------------------------------------- */

static void open_tap(struct tap *t)
{
	const struct rf_net_info *info = rf_net_info(t->net);
	int flags = fcntl(FD_TAP, F_GETFL);

	if (flags < 0 || fcntl(FD_TAP, F_SETFL, flags | O_NONBLOCK))
		rf_die(RF_EXIT_BUG, "fd %d (TAP) was not handed over: %s", FD_TAP, strerror(errno));
	t->features = info->features;
	bool set = !ioctl(FD_TAP, TUNSETOFFLOAD, (unsigned long)tap_offload(info->features));
	if (!set && errno == EBADFD)
		interface_gone();
	if (!set)
		rf_die(RF_EXIT_BUG, "the TAP does not take offload %#x: %s",
		       tap_offload(info->features), strerror(errno));
	t->carrier = -1;
	follow_link(t);
}

int main(void)
{
	static struct tap t;

	rf_log_name = "rf-tap";
	if (rf_net_open(&t.net))
		rf_die(RF_EXIT_BUG, "cannot start");
	while (!rf_net_info(t.net)) {
		struct pollfd p = { .fd = RF_EXPORT_FD_CONTROL, .events = POLLIN };

		if (rf_wait_fds(&p, 1, -1) < 0 && errno != EINTR)
			rf_die(RF_EXIT_BUG, "poll: %s", strerror(errno));
		tap_control(&t);
	}
	open_tap(&t);
	if (rf_service_lock("export-tap"))
		return RF_EXIT_BUG;
	tap_run(&t);
}
