/* SPDX-License-Identifier: MIT */
/*
 * ring_queues.h - the two queues ring.c compares, behind one pair of calls.
 *
 * Room:   tests/bench, runs on the build machine. Only ring.c includes it: what it holds
 *         is inlined into the loops that are measured.
 */
#ifndef RF_BENCH_RING_QUEUES_H
#define RF_BENCH_RING_QUEUES_H

#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring.h"

#define SLOTS 1024u

#define INLINE static inline __attribute__((always_inline))

/* ---- records ------------------------------------------------------------------ */
struct record {
	uint64_t seq;
	uint64_t check; /* ties the halves together: a torn record does not match */
};
_Static_assert(sizeof(struct record) == 16, "as large as a block response");

INLINE void record_fill(struct record *r, uint64_t seq)
{
	*r = (struct record){ .seq = seq, .check = ~seq };
}

INLINE bool record_good(const struct record *r, uint64_t seq)
{
	return r->seq == seq && r->check == ~seq;
}

/* ---- the two queues behind one pair of calls ---------------------------------- */
enum kind { OURS, RTE, KINDS };

/* One thread's end of a queue, in memory as in a program, not in registers. */
struct end {
	_Alignas(64) struct rf_ring_end rf;
	struct rte_ring *rte;
};

struct queue {
	struct end producer, consumer;
	void      *shared[KINDS];
};

/* All n records or none: returns n, 0 when they do not fit, or -EPROTO. */
INLINE int end_send(enum kind kind, struct end *e, const struct record *from, unsigned n)
{
	if (kind == RTE)
		return (int)rte_ring_sp_enqueue_bulk_elem(e->rte, from, sizeof(*from), n, NULL);
	int space = rf_ring_space(&e->rf, n);
	if (space < (int)n)
		return space < 0 ? space : 0;
	if (n == 1)
		rf_ring_put(&e->rf, from, sizeof(*from));
	else
		rf_ring_put_batch(&e->rf, from, n, sizeof(*from));
	rf_ring_publish(&e->rf);
	return (int)n;
}

/* Up to n records: returns how many, or -EPROTO. */
INLINE int end_receive(enum kind kind, struct end *e, struct record *to, unsigned n)
{
	if (kind == RTE)
		return (int)rte_ring_sc_dequeue_burst_elem(e->rte, to, sizeof(*to), n, NULL);
	int ready = rf_ring_ready(&e->rf);
	if (ready <= 0)
		return ready;
	if (ready > (int)n)
		ready = (int)n;
	if (n == 1)
		rf_ring_take(&e->rf, to, sizeof(*to));
	else
		rf_ring_take_batch(&e->rf, to, (uint32_t)ready, sizeof(*to));
	rf_ring_release(&e->rf);
	return ready;
}

static void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);

	if (!p) {
		fprintf(stderr, "bench-ring: out of memory\n");
		exit(1);
	}
	return memset(p, 0, bytes);
}

static void queue_init(struct queue *q)
{
	if (!q->shared[OURS]) {
		q->shared[OURS] = zeroed(RF_RING_BYTES(SLOTS, sizeof(struct record)));
		q->shared[RTE] = zeroed(
			(size_t)rte_ring_get_memsize_elem(sizeof(struct record), SLOTS));
	}
	memset(q->shared[OURS], 0, sizeof(struct rf_ring));
	rf_ring_attach(&q->producer.rf, q->shared[OURS], SLOTS);
	rf_ring_attach(&q->consumer.rf, q->shared[OURS], SLOTS);
	q->producer.rte = q->consumer.rte = q->shared[RTE];
	if (rte_ring_init(q->shared[RTE], "bench", SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
		fprintf(stderr, "bench-ring: rte_ring_init refused %u slots\n", SLOTS);
		exit(1);
	}
}

#endif
