/* SPDX-License-Identifier: MIT */
/*
 * recover.c - what happens to frames and buffers when their driver dies.
 *
 * Room:   net/engine, trusted. The net engine's half of session_core.h.
 * Steps:  DOWN      frames the dead driver had received are kept; those it had not reported
 *                   as sent are lost, counted, and their buffers in quarantine, because the device
 *                   may still read them. The receive buffers of the successor's half, which
 *                   only its own generations ever had, are posted.
 *         QUIESCED  the device is silent: quarantine is over.
 *         UP        what was sent since DOWN lies in the successor's ring already.
 */
#include <string.h>

#include "capture.h"
#include "buffers.h"
#include "net_core.h"

static uint32_t frames_drain(struct rf_session *session, enum rf_proto_error *bad)
{
	struct rf_net *n = rf_net_of(session);
	uint32_t drained = rf_net_drain(n, bad);

	if (!*bad)
		rf_net_reap_dead(n, bad);
	return drained;
}

/* Frames under way are lost. Number of them. */
static uint32_t frames_lose(struct rf_net *n)
{
	uint32_t frames = 0;

	for (uint32_t i = n->tx_done; i != n->tx_own; i++) {
		uint32_t slot = n->tx_slot[i & (RF_NET_DEPTH - 1)], at = slot & RF_TX_AT;

		frames += !(slot & RF_TX_MORE);
		if (slot & RF_TX_KEPT)
			continue;
		if (at >= n->tx_base)
			n->quarantine[n->quarantine_count++] = at;
		else if (rf_net_index(n, at) < n->rx_count)
			n->buffer[rf_net_index(n, at)] = RF_BUFFER_FREE;
		else
			rf_net_post_other(n, at);
	}
	n->tx_done = n->tx_own;
	n->count.lost_tx += frames;
	return frames;
}

static bool frames_collect(struct rf_session *session, struct rf_recovery_service *log)
{
	struct rf_net *n = rf_net_of(session);

	rf_net_unchain(n);
	log->inflight = frames_lose(n);
	return true;
}

static void frames_attach(struct rf_session *session)
{
	struct rf_net *n = rf_net_of(session);
	struct rf_net_chan *chan = rf_session_chan(session, session->half);

	n->chan = chan;
	rf_ring_attach(&n->rx, chan->rx.bytes, RF_NET_DEPTH);
	n->free_shared = (struct rf_ring *)chan->rx_free.bytes;
	n->tx_shared = (struct rf_ring *)chan->tx.bytes;
	n->free_ring = (uint32_t *)n->free_shared->records;
	n->tx_ring = (struct rf_net_frame *)n->tx_shared->records;
	n->free_own = n->free_seen = 0;
	n->tx_own = n->tx_seen = n->tx_done = 0;
	n->rx_base = (uint32_t)(rf_net_rx_at(&n->info, session->half) / RF_NET_UNIT);
	n->buffer = n->buffers[session->half];
	n->sent_ns = 0;
	n->rx_dropped_before += n->rx_dropped;
	n->rx_dropped = 0;
}

/* All of this half's receive buffers that the export does not hold. */
static void frames_fill(struct rf_session *session)
{
	struct rf_net *n = rf_net_of(session);

	for (uint32_t i = 0; i < n->rx_count; i++) {
		if (n->buffer[i] == RF_BUFFER_HELD)
			continue;
		n->buffer[i] = RF_BUFFER_HELD;
		rf_net_post(n, n->rx_base + (i << n->rx_shift));
	}
	rf_net_push(n);
}

static void frames_capture(struct rf_session *session, uint32_t generation, uint32_t half)
{
	struct rf_capture_net *a = (void *)((char *)session->stats + RF_CAPTURE_NET);
	const struct rf_net_chan *chan = rf_session_chan(session, half);
	const struct rf_ring *tx = (const void *)chan->tx.bytes, *rx = (const void *)chan->rx.bytes;

	a += generation % RF_CAPTURE_SLOTS;
	a->generation = 0;
	a->tx_tail = tx->tail;
	a->tx_head = tx->head;
	a->rx_tail = rx->tail;
	a->heartbeat = chan->heartbeat;
	for (uint32_t i = 1; i <= RF_CAPTURE_TAIL; i++) {
		uint32_t t = a->tx_tail - i, r = a->rx_tail - i;

		memcpy(&a->tx[t % RF_CAPTURE_TAIL], tx->records + t % RF_NET_DEPTH * sizeof(*a->tx),
		       sizeof(*a->tx));
		memcpy(&a->rx[r % RF_CAPTURE_TAIL], rx->records + r % RF_NET_DEPTH * sizeof(*a->rx),
		       sizeof(*a->rx));
	}
	a->generation = generation;
}

static void frames_quiesced(struct rf_session *session, bool cache_lost)
{
	struct rf_net *n = rf_net_of(session);

	(void)cache_lost;
	while (n->quarantine_count)
		rf_net_tx_free(n, n->quarantine[--n->quarantine_count]);
}

static void frames_up(struct rf_session *session)
{
	struct rf_net *n = rf_net_of(session);

	n->free_seen--;
	n->tx_seen -= n->tx_own != 0;
	rf_net_push(n);
}

static void frames_gone(struct rf_session *session)
{
	struct rf_net *n = rf_net_of(session);

	frames_lose(n);
	n->link = RF_NET_LINK_DOWN;
}

static void frames_publish(struct rf_session *session)
{
	rf_net_publish(rf_net_of(session));
}

const struct rf_session_ops rf_net_session = {
	.chan_bytes = RF_NET_CHAN_BYTES,
	.info = rf_interface_info,
	.drain = frames_drain,
	.collect = frames_collect,
	.attach = frames_attach,
	.fill = frames_fill,
	.capture = frames_capture,
	.quiesced = frames_quiesced,
	.up = frames_up,
	.gone = frames_gone,
	.link = rf_interface_link,
	.look = rf_frames_look,
	.publish = frames_publish,
};

void rf_net_drop(struct rf_net *n)
{
	rf_session_drop(&n->session);
}

int rf_net_control(struct rf_net *n)
{
	return rf_session_control(&n->session);
}
