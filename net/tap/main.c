/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-tap: the net service as an interface of the kernel.
 *
 * Room:   net/tap, trusted, unprivileged. Locked before it touches a frame.
 * Start:  no arguments; fds of enum rf_export_fd, the TAP at RF_EXPORT_FD_LISTEN.
 * Turn:   received frames to the kernel, frames to send from it; with nothing either way:
 *         look again for a while, then sleep. How long, at most the spin budget, is learnt:
 *         looking is worth it only while sleeps turn out to be shorter than that.
 * Exit:   0 when the device process is gone, 70 after one line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"
#include "log.h"
#include "tap.h"
#include "wait.h"

#define FD_TAP    RF_EXPORT_FD_LISTEN
#define TICK_NS   5000000u /* while awake; see rf_net_tick() */
#define LOOK_EVERY 32u /* empty turns of the rings between two looks at the kernel's side */

struct tap {
	struct rf_net *net;
	uint32_t       features;
	int            carrier;  /* as the kernel was told last */
	uint32_t       buffer;   /* for the next frame to send; 0: none */
	bool           blocked;  /* no slot or buffer for a frame to send */
	uint64_t       tick_ns;
	uint64_t       spin_ns;  /* how long looking again is worth it now */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void control(struct tap *t)
{
	int err = rf_net_control(t->net);

	if (err == -EPIPE)
		exit(0);
	if (err)
		rf_die(70, "ends: control socket: %s", strerror(-err));
}

/* The interface's cable follows the device's, and nothing else. */
static void follow_link(struct tap *t)
{
	int up = rf_net_carrier(t->net);

	if (up == t->carrier)
		return;
	t->carrier = up;
	if (ioctl(FD_TAP, TUNSETCARRIER, &up))
		rf_log("cannot tell the kernel that the link is %s: %s", up ? "up" : "down",
		       strerror(errno));
}

/* ---- received frames ------------------------------------------------------------ */

/* One frame of `parts` records to the kernel, which copies it. */
static void deliver(struct tap *t, const struct rf_net_frame *f, unsigned parts)
{
	struct virtio_net_hdr header;
	struct iovec iov[RF_NET_PARTS + 3];
	unsigned char tag[4] = { 0x81, 0x00, (unsigned char)(f->vlan >> 8), (unsigned char)f->vlan };
	int n = 0;

	tap_header_in(&header, f);
	iov[n++] = (struct iovec){ &header, sizeof(header) };
	for (unsigned i = 0; i < parts; i++) {
		char  *at = rf_net_at(t->net, f[i].at);
		size_t length = f[i].length;

		if (!i && f->flags & RF_NET_VLAN) {
			/* The device took the tag off: it belongs behind the two addresses. */
			iov[n++] = (struct iovec){ at, 12 };
			iov[n++] = (struct iovec){ tag, sizeof(tag) };
			at += 12;
			length -= 12;
			if (f->flags & RF_NET_CSUM)
				header.csum_start += 4;
			if (f->gso)
				header.hdr_len += 4;
		}
		iov[n++] = (struct iovec){ at, length };
	}
	/* Refused: the interface is down, or out of memory. As on a wire, it is lost. */
	if (writev(FD_TAP, iov, n) < 0)
		atomic_fetch_add_explicit(&rf_net_stats(t->net)->rx_lost_export, 1,
					  memory_order_relaxed);
}

static unsigned receive(struct tap *t)
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

/* One frame of the kernel's into a buffer the device reads. False: there is none now. */
static bool fetch(struct tap *t)
{
	struct virtio_net_hdr header;
	struct rf_net_frame f = { .at = t->buffer };
	unsigned char *at = rf_net_at(t->net, t->buffer);
	struct iovec iov[] = { { &header, sizeof(header) }, { at, rf_net_tx_bytes(t->net) } };
	ssize_t got = readv(FD_TAP, iov, 2);

	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != EBADFD && errno != EIO)
			rf_die(70, "reading from the TAP: %s", strerror(errno));
		return false;
	}
	if (got < (ssize_t)sizeof(header) ||
	    !tap_header_out(&f, &header, at, (uint32_t)(got - (ssize_t)sizeof(header)), t->features) ||
	    rf_net_tx(t->net, &f))
		return true; /* counted; the buffer serves the next frame */
	t->buffer = 0;
	return true;
}

static unsigned send_frames(struct tap *t)
{
	unsigned room = rf_net_tx_room(t->net, TAP_BATCH), n = 0;

	for (; n < room && n < TAP_BATCH; n++) {
		if (!t->buffer && !(t->buffer = rf_net_tx_alloc(t->net)))
			break;
		if (!fetch(t))
			break;
	}
	t->blocked = !room || !t->buffer;
	if (t->blocked && room > n)
		t->blocked = !(t->buffer = rf_net_tx_alloc(t->net));
	return n;
}

/* ---- waiting --------------------------------------------------------------------------- */

static void tick(struct tap *t, uint64_t now)
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

/* After a sleep: with frames this close together the next look would have found one; with
 * frames further apart it only takes time from whoever makes them. */
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

static void sleep_once(struct tap *t)
{
	struct pollfd p[] = { { .fd = RF_EXPORT_FD_CONTROL, .events = POLLIN },
			      { .fd = RF_EXPORT_FD_KICK, .events = POLLIN },
			      { .fd = t->blocked ? -1 : FD_TAP, .events = POLLIN } };

	if (!rf_net_sleep(t->net, t->blocked))
		return;
	uint64_t from = now_ns();
	int n = rf_wait_fds(p, 3, rf_net_patience(t->net));
	if (n < 0 && errno != EINTR)
		rf_die(70, "poll: %s", strerror(errno));
	rf_net_wake(t->net, n > 0 && p[1].revents);
	if (n > 0 && p[0].revents)
		control(t);
	uint64_t now = now_ns();
	spin_learn(t, now - from);
	tick(t, now);
}

/* Nothing came: looks at the rings for a while, and at the kernel now and then. */
static void idle(struct tap *t)
{
	uint64_t most = spin_most(t), budget = most == UINT64_MAX || t->spin_ns > most ? most : t->spin_ns;
	uint64_t until = 0;

	for (unsigned empty = 1; budget; empty++) {
		__builtin_ia32_pause();
		unsigned work = receive(t);
		if (!(empty % LOOK_EVERY)) {
			work += send_frames(t);
			uint64_t now = now_ns();
			if (!until)
				until = now + budget;
			else if (now >= until && budget != UINT64_MAX)
				break;
		}
		if (work) {
			rf_net_flush(t->net);
			return;
		}
	}
	sleep_once(t);
}

static void run(struct tap *t)
{
	for (unsigned turns = 1;; turns++) {
		unsigned work = receive(t);

		/* Buffers that came back are worth more to the driver early. */
		rf_net_flush(t->net);
		work += send_frames(t);
		rf_net_flush(t->net);
		if (!work) {
			idle(t);
		} else if (!(turns % 256)) {
			control(t);
			tick(t, now_ns());
		}
	}
}

/* ---- start -------------------------------------------------------------------------------- */

static void open_tap(struct tap *t)
{
	const struct rf_net_info *info = rf_net_info(t->net);
	int flags = fcntl(FD_TAP, F_GETFL);

	if (flags < 0 || fcntl(FD_TAP, F_SETFL, flags | O_NONBLOCK))
		rf_die(70, "fd %d (TAP) was not handed over: %s", FD_TAP, strerror(errno));
	t->features = info->features;
	if (ioctl(FD_TAP, TUNSETOFFLOAD, (unsigned long)tap_offload(info->features)))
		rf_die(70, "the TAP does not take offload %#x: %s", tap_offload(info->features),
		       strerror(errno));
	t->carrier = -1;
	follow_link(t);
}

int main(void)
{
	static struct tap t;

	rf_log_name = "rf-tap";
	if (rf_net_open(&t.net, RF_EXPORT_FD_CONTROL))
		rf_die(70, "cannot start");
	while (!rf_net_info(t.net)) {
		struct pollfd p = { .fd = RF_EXPORT_FD_CONTROL, .events = POLLIN };

		if (rf_wait_fds(&p, 1, -1) < 0 && errno != EINTR)
			rf_die(70, "poll: %s", strerror(errno));
		control(&t);
	}
	open_tap(&t);
	if (rf_service_lock("export-tap"))
		return 70;
	run(&t);
}
