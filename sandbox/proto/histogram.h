/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - how long something took, counted in log-linear buckets.
 *
 * Room:   sandbox/proto.
 * Wire:   part of the memory of stats.h.
 * Layout: that of HdrHistogram with a unit of 1 ns, 64 sub-buckets (5 bits in each power of two)
 *         and a highest value of 2^40 - 1 ns (18 minutes). Values below 64 ns have a bucket
 *         each. From there on each power of two is cut into 32 buckets of equal width:
 *           e = bit length of ns - 6,  bucket = 32 e + (ns >> e).
 *         A bucket is at most 1/32 (3.2 %) of its values wide. Longer times count as the
 *         highest.
 * Writes: one process, with relaxed stores; nothing is ever taken away.
 * Reads:  a copy is made, and only the copy is looked at. It need not be of one moment: a
 *         value may be in `sum_ns` and not yet in its bucket. What is counted is what lies in the
 *         buckets.
 * Believed: numbers only, which are printed.
 */
#ifndef RF_HISTOGRAM_H
#define RF_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define RF_HISTOGRAM_BITS    5u /* a power of two has 2^5 buckets */
#define RF_HISTOGRAM_MOST    ((1ull << 40) - 1) /* nanoseconds */
#define RF_HISTOGRAM_BUCKETS 1152u

struct rf_histogram {
	_Atomic uint64_t sum_ns, max_ns; /* exact; of all values */
	_Atomic uint64_t bucket[RF_HISTOGRAM_BUCKETS];
};

static inline uint32_t rf_histogram_bucket(uint64_t ns)
{
	uint32_t e = 0;

	if (ns > RF_HISTOGRAM_MOST)
		ns = RF_HISTOGRAM_MOST;
	if (ns >> (RF_HISTOGRAM_BITS + 1))
		e = 63 - RF_HISTOGRAM_BITS - (uint32_t)__builtin_clzll(ns);
	return (e << RF_HISTOGRAM_BITS) + (uint32_t)(ns >> e);
}

/* The lowest and the highest time that a bucket counts. */
static inline uint64_t rf_histogram_low(uint32_t bucket)
{
	const uint32_t half = 1u << RF_HISTOGRAM_BITS;

	return bucket < half ? bucket :
			       (uint64_t)(bucket % half + half) << (bucket / half - 1);
}

static inline uint64_t rf_histogram_high(uint32_t bucket)
{
	return rf_histogram_low(bucket + 1) - 1;
}

static inline void rf_histogram_add(struct rf_histogram *h, uint64_t ns)
{
	_Atomic uint64_t *at = &h->bucket[rf_histogram_bucket(ns)];

	atomic_store_explicit(&h->sum_ns, h->sum_ns + ns, memory_order_relaxed);
	atomic_store_explicit(at, *at + 1, memory_order_relaxed);
	if (ns > h->max_ns)
		atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

/* A reader's copy. */
struct rf_histogram_copy {
	uint64_t count, sum_ns, max_ns;
	uint64_t bucket[RF_HISTOGRAM_BUCKETS];
};

/* histogram.c. `count` is the sum of the buckets, and max_ns lies in the last one that counts. */
void rf_histogram_read(struct rf_histogram_copy *, const struct rf_histogram *);
/* The time that `millis` thousandths of all values do not exceed: the highest of its bucket, but no
 * more than the longest. 0: there is no value. */
uint64_t rf_histogram_at(const struct rf_histogram_copy *, uint32_t millis);
/* Values of at most `ns`, which is one less than a power of two from 64 on: exact. */
uint64_t rf_histogram_upto(const struct rf_histogram_copy *, uint64_t ns);

#endif
