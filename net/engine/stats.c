/* SPDX-License-Identifier: MIT */
/*
 * stats.c - leaves the service's counters where others can read them.
 *
 * Room:   net/engine, trusted. Counted in private memory, copied out when the
 *         loop sleeps or ticks: one writer, relaxed stores.
 */
#include <string.h>

#include "net_core.h"

#define PUT(at, value) atomic_store_explicit(&(at), (value), memory_order_relaxed)
#define GET(at)        atomic_load_explicit(&(at), memory_order_relaxed)

struct rf_stats_net *rf_net_stats(struct rf_net *n)
{
	return (struct rf_stats_net *)((unsigned char *)n->session.stats + RF_STATS_NET);
}

void rf_net_publish(struct rf_net *n)
{
	const struct rf_net_count *c = &n->count;
	struct rf_stats_net *s = rf_net_stats(n);

	PUT(s->rx_frames, c->rx_frames);
	PUT(s->rx_bytes, c->rx_bytes);
	PUT(s->rx_bad, c->rx_bad);
	PUT(s->rx_dropped, n->rx_dropped_before + n->rx_dropped);
	PUT(s->tx_frames, c->tx_frames);
	PUT(s->tx_bytes, c->tx_bytes);
	PUT(s->tx_done, c->tx_done);
	PUT(s->lost_tx, c->lost_tx);
	PUT(s->tx_refused, c->tx_refused);
	PUT(s->link, n->link);
	PUT(s->speed, n->info.speed);
	PUT(s->mtu, n->info.mtu);
	memcpy(s->mac, n->info.mac, sizeof(n->info.mac));
	PUT(n->session.stats->submitted, c->rx_frames + c->tx_frames);
	PUT(n->session.stats->completed, c->rx_frames + c->tx_done);
	PUT(n->session.stats->bytes_read, c->rx_bytes);
	PUT(n->session.stats->bytes_written, c->tx_bytes);
	PUT(n->session.stats->failed, c->lost_tx);
	PUT(n->session.stats->inflight, n->tx_own - n->tx_done);
	rf_session_publish(&n->session);
}

/* Counters go on where a dead predecessor left them. What it had under way is lost. */
void rf_net_adopt(struct rf_net *n)
{
	struct rf_stats_net *s = rf_net_stats(n);

	n->count = (struct rf_net_count){
		.rx_frames = GET(s->rx_frames), .rx_bytes = GET(s->rx_bytes),
		.rx_bad = GET(s->rx_bad), .tx_frames = GET(s->tx_frames),
		.tx_bytes = GET(s->tx_bytes), .tx_done = GET(s->tx_done),
		.tx_refused = GET(s->tx_refused),
	};
	n->count.lost_tx = n->count.tx_frames - n->count.tx_done;
	n->rx_dropped_before = GET(s->rx_dropped);
	rf_session_adopt(&n->session);
}
