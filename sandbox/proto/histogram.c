/* SPDX-License-Identifier: MIT */
/*
 * histogram.c - what a reader makes of a histogram.
 *
 * Room:   sandbox/proto.
 * Trust:  none in the numbers: sums stay where they would overflow, and no number is an index.
 */
#include "histogram.h"

static uint64_t histogram_sum(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

void rf_histogram_read(struct rf_histogram_copy *to, const struct rf_histogram *from)
{
	uint64_t low = 0, high = 0;

	*to = (struct rf_histogram_copy){
		.sum_ns = atomic_load_explicit(&from->sum_ns, memory_order_relaxed),
		.max_ns = atomic_load_explicit(&from->max_ns, memory_order_relaxed),
	};
	for (uint32_t i = 0; i < RF_HISTOGRAM_BUCKETS; i++) {
		to->bucket[i] = atomic_load_explicit(&from->bucket[i], memory_order_relaxed);
		to->count = histogram_sum(to->count, to->bucket[i]);
		if (to->bucket[i]) {
			low = rf_histogram_low(i);
			high = i == RF_HISTOGRAM_BUCKETS - 1 ? UINT64_MAX : rf_histogram_high(i);
		}
	}
	/* It may be of another moment than the buckets. */
	if (to->max_ns < low || to->max_ns > high)
		to->max_ns = high == UINT64_MAX ? RF_HISTOGRAM_MOST : high;
}

uint64_t rf_histogram_at(const struct rf_histogram_copy *h, uint32_t millis)
{
	uint64_t want = h->count / 1000 * millis + (h->count % 1000 * millis + 999) / 1000;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < RF_HISTOGRAM_BUCKETS; i++) {
		seen = histogram_sum(seen, h->bucket[i]);
		if (h->bucket[i] && seen >= want) {
			uint64_t high = rf_histogram_high(i);

			return high < h->max_ns ? high : h->max_ns;
		}
	}
	return 0;
}

uint64_t rf_histogram_upto(const struct rf_histogram_copy *h, uint64_t ns)
{
	uint32_t last = rf_histogram_bucket(ns);
	uint64_t seen = 0;

	for (uint32_t i = 0; i <= last; i++)
		seen = histogram_sum(seen, h->bucket[i]);
	return seen;
}
