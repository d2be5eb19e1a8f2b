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
	struct rf_stats_service *stats = s->queue[0].session.stats;
	uint64_t completed = 0, bytes_read = 0, reissued = 0;
	uint32_t inflight = 0;

	RF_EACH_QUEUE(q, s) {
		struct rf_stats_queue *own = &stats->queue[q->session.queue];

		PUT(own->completed, q->count.completed);
		PUT(own->reissued, q->count.reissued);
		PUT(own->inflight, RF_BLK_DEPTH - q->free_count);
		inflight += RF_BLK_DEPTH - q->free_count;
		completed += q->count.completed;
		bytes_read += q->count.bytes_read;
		reissued += q->count.reissued;
	}
	PUT(stats->submitted, rf_submitted(s));
	PUT(stats->completed, completed);
	PUT(stats->bytes_read, bytes_read);
	PUT(stats->bytes_written, c->bytes_written);
	PUT(stats->failed, c->failed);
	PUT(stats->reissued, reissued);
	PUT(stats->held_back, c->held_back);
	PUT(stats->corrupt, c->corrupt + s->filter->ops->caught(s->filter));
	PUT(stats->inflight, inflight);
	rf_session_publish(&s->queue[0].session);
}

/* Counters go on where a dead predecessor left them. */
void rf_stats_adopt(struct rf_blk *s)
{
	struct rf_stats_service *stats = s->queue[0].session.stats;

	s->count = (struct rf_counts){
		.bytes_written = GET(stats->bytes_written), .failed = GET(stats->failed),
		.held_back = GET(stats->held_back), .corrupt = GET(stats->corrupt),
	};
	RF_EACH_QUEUE(q, s) {
		q->count.completed = GET(stats->queue[q->session.queue].completed);
		q->count.reissued = GET(stats->queue[q->session.queue].reissued);
	}
	s->queue[0].count.bytes_read = GET(stats->bytes_read);
	rf_session_adopt(&s->queue[0].session);
	rf_latency_open(&s->latency, GET(stats->submitted));
	PUT(stats->inflight, 0);
	PUT(stats->clients, 0);
}
