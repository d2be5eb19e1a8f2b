/* SPDX-License-Identifier: MIT */
/*
 * open.c - what every session finds by fd number, and the counters that it leaves there.
 *
 * Room:   sandbox/session, trusted. Opened once, before the lock. Counters are kept in private
 *         memory and copied out: one writer, relaxed stores.
 */
#include <sys/mman.h>

#include "inherited.h"
#include "session_core.h"

#define COUNT_PUT(at, value) atomic_store_explicit(&(at), (value), memory_order_relaxed)
#define COUNT_GET(at)        atomic_load_explicit(&(at), memory_order_relaxed)

int rf_session_open(struct rf_session *s, const struct rf_session_ops *ops, int fds_up)
{
	s->ops = ops;
	s->fds_up = fds_up;
	s->state = RF_DRIVER_NONE;
	s->gate = RF_GATE_DRIVER;
	return rf_inherited_config(rf_session_fd(s, RF_EXPORT_FD_CONFIG), &s->config);
}

int rf_session_map(struct rf_session *s)
{
	const int rw = PROT_READ | PROT_WRITE;
	const uint64_t rings = 2ull * s->config.queues * s->ops->chan_bytes;
	int err;

	if ((err = rf_inherited_map(rf_session_fd(s, RF_EXPORT_FD_DATA), "arena",
				    s->config.arena_bytes, rw, &s->data)) ||
	    (err = rf_inherited_map(rf_session_fd(s, RF_EXPORT_FD_RINGS), "rings", rings, rw,
				    &s->rings)) ||
	    (err = rf_inherited_map(rf_session_fd(s, RF_EXPORT_FD_STATS), "stats", RF_STATS_BYTES,
				    rw, &s->stats)))
		return err;
	return rf_inherited_kick(rf_session_fd(s, RF_EXPORT_FD_KICK));
}

void rf_session_share(struct rf_session *s, const struct rf_session *first, uint32_t i)
{
	*s = (struct rf_session){
		.state = RF_DRIVER_NONE, .gate = RF_GATE_DRIVER, .generation = i, .queue = i,
		.fds_up = first->fds_up, .ops = first->ops, .config = first->config,
		.data = first->data, .rings = first->rings, .stats = first->stats,
	};
}

void *rf_session_chan(const struct rf_session *s, uint32_t half)
{
	return s->rings +
	       ((uint64_t)half * s->config.queues + s->queue) * s->ops->chan_bytes;
}

void rf_session_publish(struct rf_session *first)
{
	uint64_t violations = 0, stalls = 0, nudges = 0, helped = 0;

	for (uint32_t i = 0; i < first->config.queues; i++) {
		const struct rf_session *s = rf_session_of(first, i);

		violations += s->count.violations;
		stalls += s->count.stalls;
		nudges += s->count.nudges + s->watch.nudges;
		helped += s->count.nudges_helped + s->watch.helped;
		COUNT_PUT(first->stats->queue[i].generation, s->generation);
	}
	COUNT_PUT(first->stats->violations, violations);
	COUNT_PUT(first->stats->stalls, stalls);
	COUNT_PUT(first->stats->nudges, nudges);
	COUNT_PUT(first->stats->nudges_helped, helped);
	COUNT_PUT(first->stats->generation, first->generation);
}

void rf_session_adopt(struct rf_session *s)
{
	s->count.violations = COUNT_GET(s->stats->violations);
	s->count.stalls = COUNT_GET(s->stats->stalls);
	s->count.nudges = COUNT_GET(s->stats->nudges);
	s->count.nudges_helped = COUNT_GET(s->stats->nudges_helped);
}
