/* SPDX-License-Identifier: MIT */
/*
 * ring_loops.h - what ring.c measures: a run of two threads, far and near, over one queue.
 *
 * Room:   tests/bench, runs on the build machine. Only ring.c includes it: its loops are
 *         inlined, once for each queue and batch.
 */
#ifndef RF_BENCH_RING_LOOPS_H
#define RF_BENCH_RING_LOOPS_H

#include "ring_queues.h"

#define CHUNK       65536u /* records; a multiple of every batch */
#define CHUNKS      96u
#define TRIPS       40000u
#define TRIPS_SLEEP 10000u

/* ---- one run: a far thread and this one --------------------------------------- */
struct run {
	void   (*far)(struct run *), (*near)(struct run *);
	struct queue *there, *back; /* far -> near uses `there` in a throughput run */
	unsigned      batch;
	uint64_t      first;     /* sequence number the producer starts with */
	int           bell[2];   /* eventfds: wakes far, wakes near */
	uint64_t      kicks;     /* written by near */
	uint64_t      far_kicks; /* written by far */
	uint64_t      verified;
	double        figure; /* ticks a record or a round trip */
	_Atomic int   started;
	_Atomic bool  failed;
};

static struct queue queue_a, queue_b;
static int          cpu_far, cpu_near;
static uint64_t     samples[TRIPS];
static double       ticks_per_ns;

static uint64_t now_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static void failed(struct run *r, const char *what)
{
	if (!atomic_exchange(&r->failed, true) && r->first == 0)
		fprintf(stderr, "bench-ring: %s\n", what);
}

static int u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double samples_median(unsigned n)
{
	qsort(samples, n, sizeof(samples[0]), u64_cmp);
	return (double)samples[n / 2];
}

/* ---- throughput --------------------------------------------------------------- */
INLINE void produce(struct run *r, enum kind kind, unsigned batch)
{
	struct end   *e = &r->there->producer;
	struct record out[64];

	for (uint64_t seq = r->first; seq < r->first + (uint64_t)CHUNK * CHUNKS; seq += batch) {
		for (unsigned i = 0; i < batch; i++)
			record_fill(&out[i], seq + i);
		int sent;
		while (!(sent = end_send(kind, e, out, batch))) {
			if (atomic_load_explicit(&r->failed, memory_order_relaxed))
				return;
			__builtin_ia32_pause();
		}
		if (sent < 0)
			return failed(r, "the producer saw an impossible index");
	}
}

/* Receives one chunk; false when something was wrong with it. */
INLINE bool consume_chunk(struct run *r, enum kind kind, unsigned batch, uint64_t seq)
{
	struct end   *e = &r->there->consumer;
	struct record in[64];

	for (uint64_t end = seq + CHUNK; seq < end;) {
		unsigned want = end - seq < batch ? (unsigned)(end - seq) : batch;
		int      got;
		while (!(got = end_receive(kind, e, in, want))) {
			if (atomic_load_explicit(&r->failed, memory_order_relaxed))
				return false;
			__builtin_ia32_pause();
		}
		if (got < 0)
			return failed(r, "the consumer saw an impossible index"), false;
		for (int i = 0; i < got; i++)
			if (!record_good(&in[i], seq++))
				return failed(r, "a record is missing, repeated or torn"), false;
	}
	return true;
}

INLINE void consume(struct run *r, enum kind kind, unsigned batch)
{
	uint64_t last = now_ticks();

	for (unsigned i = 0; i < CHUNKS; i++) {
		if (!consume_chunk(r, kind, batch, (uint64_t)i * CHUNK))
			return;
		uint64_t now = now_ticks();
		samples[i] = now - last;
		last = now;
		r->verified += CHUNK;
	}
	r->figure = samples_median(CHUNKS) / CHUNK;
}

/* The batch is a constant in each, as in a program that chose one. */
#define THROUGHPUT(kind, batch)                                                                    \
	static void produce_##kind##_##batch(struct run *r)                                        \
	{                                                                                          \
		produce(r, kind, batch);                                                           \
	}                                                                                          \
	static void consume_##kind##_##batch(struct run *r)                                        \
	{                                                                                          \
		consume(r, kind, batch);                                                           \
	}
#define THROUGHPUT_BOTH(batch) THROUGHPUT(OURS, batch) THROUGHPUT(RTE, batch)
THROUGHPUT_BOTH(1)
THROUGHPUT_BOTH(8)
THROUGHPUT_BOTH(32)
THROUGHPUT_BOTH(64)

/* ---- round trips, polled ------------------------------------------------------ */
INLINE bool trip_send(struct run *r, enum kind kind, struct end *e, uint64_t seq)
{
	struct record out;

	record_fill(&out, seq);
	if (end_send(kind, e, &out, 1) == 1)
		return true;
	failed(r, "no room for the only record in flight");
	return false;
}

INLINE bool trip_receive(struct run *r, enum kind kind, struct end *e, uint64_t seq)
{
	struct record in;
	int           got;

	while (!(got = end_receive(kind, e, &in, 1))) {
		if (atomic_load_explicit(&r->failed, memory_order_relaxed))
			return false;
		__builtin_ia32_pause();
	}
	if (got == 1 && record_good(&in, seq))
		return true;
	failed(r, "a round trip brought the wrong record");
	return false;
}

INLINE void polled_far(struct run *r, enum kind kind)
{
	for (uint64_t seq = r->first; seq < r->first + TRIPS; seq++)
		if (!trip_receive(r, kind, &r->there->consumer, seq) ||
		    !trip_send(r, kind, &r->back->producer, seq))
			return;
}

INLINE void polled_near(struct run *r, enum kind kind)
{
	uint64_t last = now_ticks();

	for (uint64_t seq = 0; seq < TRIPS; seq++) {
		if (!trip_send(r, kind, &r->there->producer, seq) ||
		    !trip_receive(r, kind, &r->back->consumer, seq))
			return;
		uint64_t now = now_ticks();
		samples[seq] = now - last;
		last = now;
		r->verified++;
	}
	r->figure = samples_median(TRIPS);
}

static void polled_far_OURS(struct run *r)
{
	polled_far(r, OURS);
}
static void polled_near_OURS(struct run *r)
{
	polled_near(r, OURS);
}
static void polled_far_RTE(struct run *r)
{
	polled_far(r, RTE);
}
static void polled_near_RTE(struct run *r)
{
	polled_near(r, RTE);
}

/* ---- round trips, asleep: no spinning at all ---------------------------------- */
static bool sleep_send(struct run *r, struct end *e, uint64_t seq, int bell, uint64_t *kicks)
{
	if (!trip_send(r, OURS, e, seq))
		return false;
	if (!rf_ring_peer_asleep(&e->rf))
		return true;
	++*kicks;
	if (write(bell, &(uint64_t){ 1 }, sizeof(uint64_t)) == sizeof(uint64_t))
		return true;
	failed(r, "cannot write to an eventfd");
	return false;
}

static bool sleep_receive(struct run *r, struct end *e, uint64_t seq, int bell)
{
	while (!rf_ring_ready(&e->rf)) {
		uint64_t rings;

		rf_ring_arm(&e->rf);
		if (!rf_ring_ready(&e->rf) && read(bell, &rings, sizeof(rings)) != sizeof(rings))
			return failed(r, "cannot read an eventfd"), false;
		rf_ring_disarm(&e->rf);
	}
	return trip_receive(r, OURS, e, seq);
}

static void sleep_far(struct run *r)
{
	for (uint64_t seq = r->first; seq < r->first + TRIPS_SLEEP; seq++)
		if (!sleep_receive(r, &r->there->consumer, seq, r->bell[0]) ||
		    !sleep_send(r, &r->back->producer, seq, r->bell[1], &r->far_kicks))
			return;
}

static void sleep_near(struct run *r)
{
	uint64_t last = now_ticks();

	for (uint64_t seq = 0; seq < TRIPS_SLEEP; seq++) {
		if (!sleep_send(r, &r->there->producer, seq, r->bell[0], &r->kicks) ||
		    !sleep_receive(r, &r->back->consumer, seq, r->bell[1]))
			return;
		uint64_t now = now_ticks();
		samples[seq] = now - last;
		last = now;
		r->verified++;
	}
	r->figure = samples_median(TRIPS_SLEEP);
}

#endif
