/* SPDX-License-Identifier: MIT */
/*
 * stats.c - leaves the service's counters where others can read them.
 *
 * Room:   sandbox/blk, trusted. Counted in private memory, copied out when the
 *         loop sleeps or ticks: one writer, relaxed stores.
 */

#include "core.h"

#define PUT(at, value) atomic_store_explicit(&(at), (value), memory_order_relaxed)
#define GET(at)        atomic_load_explicit(&(at), memory_order_relaxed)

void rf_stats_publish(struct rf_blk *s)
{
	const struct rf_counts *c = &s->count;
	struct rf_stats_service *stats = s->session.stats;

	PUT(stats->submitted, rf_submitted(s));
	PUT(stats->completed, c->completed);
	PUT(stats->bytes_read, c->bytes_read);
	PUT(stats->bytes_written, c->bytes_written);
	PUT(stats->failed, c->failed);
	PUT(stats->reissued, c->reissued);
	PUT(stats->held_back, c->held_back);
	PUT(stats->corrupt, c->corrupt + s->filter->ops->caught(s->filter));
	PUT(stats->inflight, RF_BLK_DEPTH - s->free_count);
	rf_session_publish(&s->session);
}

/* Counters go on where a dead predecessor left them. */
void rf_stats_adopt(struct rf_blk *s)
{
	struct rf_stats_service *stats = s->session.stats;

	s->count = (struct rf_counts){
		.completed = GET(stats->completed),
		.bytes_read = GET(stats->bytes_read), .bytes_written = GET(stats->bytes_written),
		.failed = GET(stats->failed), .reissued = GET(stats->reissued),
		.held_back = GET(stats->held_back), .corrupt = GET(stats->corrupt),
	};
	rf_session_adopt(&s->session);
	rf_latency_open(&s->latency, GET(stats->submitted));
	PUT(stats->inflight, 0);
	PUT(stats->clients, 0);
}
