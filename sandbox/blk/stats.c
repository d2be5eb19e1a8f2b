/* SPDX-License-Identifier: MIT */
/*
 * stats.c - leaves the service's counters where others can read them.
 *
 * Room:   sandbox/blk, trusted. Counted in private memory, copied out when the
 *         loop sleeps or ticks: one writer, relaxed stores.
 */

#include "core.h"

#define PUT(field, value) atomic_store_explicit(&s->stats->field, (value), memory_order_relaxed)
#define GET(field)        atomic_load_explicit(&s->stats->field, memory_order_relaxed)

void rf_stats_publish(struct rf_blk *s)
{
	const struct rf_counts *c = &s->count;

	PUT(submitted, c->submitted);
	PUT(completed, c->completed);
	PUT(bytes_read, c->bytes_read);
	PUT(bytes_written, c->bytes_written);
	PUT(failed, c->failed);
	PUT(reissued, c->reissued);
	PUT(violations, c->violations);
	PUT(stalls, c->stalls);
	PUT(held_back, c->held_back);
	PUT(nudges, c->nudges + s->watch.nudges);
	PUT(nudges_helped, c->nudges_helped + s->watch.helped);
	PUT(corrupt, c->corrupt + s->filter->ops->caught(s->filter));
	PUT(inflight, RF_BLK_DEPTH - s->free_count);
	PUT(generation, s->generation);
}

/* Counters go on where a dead predecessor left them. */
void rf_stats_adopt(struct rf_blk *s)
{
	s->count = (struct rf_counts){
		.submitted = GET(submitted), .completed = GET(completed),
		.bytes_read = GET(bytes_read), .bytes_written = GET(bytes_written),
		.failed = GET(failed), .reissued = GET(reissued),
		.violations = GET(violations), .stalls = GET(stalls),
		.held_back = GET(held_back), .nudges = GET(nudges),
		.nudges_helped = GET(nudges_helped), .corrupt = GET(corrupt),
	};
	PUT(inflight, 0);
	PUT(clients, 0);
}
