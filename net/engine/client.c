/* SPDX-License-Identifier: MIT */
/*
 * client.c - what a program asks of its interface besides frames: its words, descriptors,
 * notices, counters, and a loop.
 *
 * Room:   net/engine, trusted.
 */
#include <errno.h>

#include "clock.h"
#include "net_core.h"
#include "wait.h"

#define TURN_NS (RF_HANG_TURN_MS * 1000000ull)

const char *rf_net_name(const struct rf_net *n)
{
	return n->session.config.name;
}

const char *rf_net_words(const struct rf_net *n)
{
	return n->session.config.words;
}

uint64_t rf_net_spin_ns(const struct rf_net *n)
{
	return n->session.config.spin_ns;
}

int rf_net_control_fd(const struct rf_net *n)
{
	return rf_session_fd(&n->session, RF_EXPORT_FD_CONTROL);
}

int rf_net_kick_fd(const struct rf_net *n)
{
	return rf_session_fd(&n->session, RF_EXPORT_FD_KICK);
}

bool rf_net_notice(struct rf_net *n, struct rf_notice *out)
{
	const struct rf_notice_now now = {
		.step = 1,
		.generation = n->session.generation, .up = rf_net_up(n), .gone = rf_net_gone(n),
		.frames = true, .now_ns = rf_now_ns(), .log = n->session.stats->log,
	};

	return rf_notice_next(&n->notices, &now, out);
}

void rf_net_counters(struct rf_net *n, struct rf_net_counters *out)
{
	const struct rf_net_count *c = &n->count;

	*out = (struct rf_net_counters){
		.rx_frames = c->rx_frames, .rx_bytes = c->rx_bytes, .rx_bad = c->rx_bad,
		.rx_dropped = n->rx_dropped_before + n->rx_dropped, .tx_frames = c->tx_frames,
		.tx_bytes = c->tx_bytes, .tx_done = c->tx_done, .lost_tx = c->lost_tx,
		.tx_refused = c->tx_refused,
	};
}

int rf_net_wait(struct rf_net *n, bool tx, int ms)
{
	struct pollfd p[] = { { .fd = rf_net_kick_fd(n), .events = POLLIN },
			      { .fd = rf_net_control_fd(n), .events = POLLIN } };
	int patience = rf_net_patience(n);

	if (ms >= 0 && (patience < 0 || ms < patience))
		patience = ms;
	/* A driver that polls for ever wakes nobody. */
	if (!rf_net_sleep(n, tx) || (rf_net_up(n) && rf_net_spin_ns(n) == UINT64_MAX))
		patience = 0;
	int ready = rf_wait_fds(p, 2, patience);
	if (ready < 0 && errno != EINTR)
		return -errno;
	rf_net_wake(n, ready > 0 && p[0].revents);
	int err = ready > 0 && p[1].revents ? rf_net_control(n) : 0;
	/* A driver that kicks for ever and does no work is to be found, too. */
	if (!err && rf_now_ns() - n->ticked_ns >= TURN_NS) {
		n->ticked_ns = rf_now_ns();
		rf_net_tick(n);
	}
	return err;
}
