/* SPDX-License-Identifier: MIT */
/*
 * latency.h - how long requests take: some are timed, and counted in a histogram.
 *
 * Room:   sandbox/blk, trusted.
 * Which:  one in RF_LATENCY_ONE_IN, at random: how many requests pass until the next one that is
 *         timed is drawn evenly from 1 to 2 * RF_LATENCY_ONE_IN - 1. Nothing of a request has a
 *         say in it, neither its kind nor its place in a batch, so that the timed ones are like
 *         all. (Each 64th would be the first of each second batch of 32.)
 * From:   when the engine takes the request, what it then waits inside included (for a driver, for
 *         an older one that it overlaps, for a place in the table).
 * To:     when its answer was read and found possible. One that no driver answered is not
 *         counted. With a filter the requests timed are those that leave it for the device.
 * Cost:   a jump for others: the count of requests is kept as what is left until the next timed
 *         one, and its answer is recognised by the look at the entry's mark that was always there.
 * Clock:  the time stamp counter, in nanoseconds by its rate since the last look at both clocks.
 *         In the first millisecond of an export nothing is timed.
 */
#ifndef RF_LATENCY_H
#define RF_LATENCY_H

#include <stdint.h>

#include "histogram.h"
#include "ringfence.h"

struct rf_latency {
	uint32_t untimed;  /* requests until the next one that is timed, */
	uint64_t at;       /* and its number */
	uint64_t random;
	uint64_t rate;     /* nanoseconds a tick, times 2^32; 0: not known yet */
	uint64_t tsc, ns;  /* both clocks, when they were looked at */
};

/* Requests taken, those of predecessors included. */
static inline uint64_t rf_latency_submitted(const struct rf_latency *l)
{
	return l->at - l->untimed;
}

/* This one is timed, and the next one that will be is drawn. */
void rf_latency_begin(struct rf_latency *, struct rf_io *);
/* It was answered: counts it in the histogram of its kind, [enum rf_latency_class]. */
void rf_latency_end(const struct rf_latency *, const struct rf_io *, struct rf_histogram *);
/* `submitted`: requests of predecessors; now and then: what time is it? */
void rf_latency_open(struct rf_latency *, uint64_t submitted);
void rf_latency_tick(struct rf_latency *, uint64_t now);

#endif
