/* SPDX-License-Identifier: MIT */
/*
 * ages.c - does the driver move, and are frames sent: it, or the device, may do so no more.
 *
 * Room:   net/engine, trusted.
 */
#include "net_core.h"

#define TICK_MS     100
#define IDLE_NUDGES 50 /* nudges, between two kicks while no frame is under way */

/* Frames under way, which a driver that is kicked should report as sent some day. */
static bool sending(const struct rf_net *n)
{
	return n->tx_done != n->tx_own;
}

int rf_net_patience(const struct rf_net *n)
{
	const struct rf_session *session = &n->session;

	return session->state == RF_DRIVER_UP && sending(n) ? rf_hang_watch_turn(&session->watch) :
							      TICK_MS;
}

/* What it says about link and drops harms nobody but itself. */
static void hear_of_link(struct rf_net *n)
{
	uint32_t link = atomic_load_explicit(&n->chan->link, memory_order_relaxed);

	n->rx_dropped = atomic_load_explicit(&n->chan->rx_dropped, memory_order_relaxed);
	if (n->info.features & RF_NET_HAS_LINK &&
	    (link == RF_NET_LINK_UP || link == RF_NET_LINK_DOWN))
		n->link = link;
}

/* With nothing under way a driver that hangs looks like one with nothing to receive: it is
 * kicked all the same, but rarely. */
static void look_at_driver(struct rf_net *n, uint64_t now)
{
	const uint64_t nudge_ns = n->session.config.nudge_ns;
	const struct rf_session_work work = {
		.waiting = true,
		.progress = n->count.rx_frames + n->count.tx_done,
		.heartbeat = atomic_load_explicit(&n->chan->heartbeat, memory_order_acquire),
		.nudge_ns = sending(n) ? nudge_ns : nudge_ns * IDLE_NUDGES,
	};

	rf_session_watch(&n->session, now, &work);
}

/* A device that sends nothing more, although it has a link, is reset with its driver. */
static void look_at_sending(struct rf_net *n, uint64_t now)
{
	const uint64_t stall_ns = n->session.config.stall_ns;

	if (!sending(n) || n->link == RF_NET_LINK_DOWN || !n->sent_ns ||
	    n->tx_done != n->sent_then) {
		n->sent_then = n->tx_done;
		n->sent_ns = now;
		n->sent_lived_ns = n->session.lived.ns;
		return;
	}
	if (n->session.lived.ns - n->sent_lived_ns < stall_ns || n->session.stalled ||
	    (n->session.config.nudge_ns &&
	     !rf_hang_watch_alive_since(&n->session.watch, n->sent_ns + stall_ns)))
		return;
	rf_log_peer("%u frames handed to driver generation %u: none was sent for %llu ms",
		    n->tx_own - n->tx_done, n->session.generation,
		    (unsigned long long)(now - n->sent_ns) / 1000000);
	rf_session_stalled(&n->session);
}

void rf_frames_look(struct rf_session *session, uint64_t now)
{
	struct rf_net *n = rf_net_of(session);

	hear_of_link(n);
	rf_net_reap(n);
	if (session->config.nudge_ns)
		look_at_driver(n, now);
	const uint64_t stall_ns = session->config.stall_ns;
	if (stall_ns && rf_lived_turn(&session->lived, now, stall_ns) &&
	    session->state == RF_DRIVER_UP)
		look_at_sending(n, now);
}

void rf_net_tick(struct rf_net *n)
{
	rf_session_tick(&n->session);
}
