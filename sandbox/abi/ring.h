/* SPDX-License-Identifier: MIT */
/*
 * ring.h - one-way queue of fixed-size records, in memory both sides can write.
 *
 * Room:   sandbox/abi, compiled into both sides of the fence.
 * Trust:  none. The peer may write any byte of struct rf_ring or of the
 *         records at any time. Each side keeps its own index privately (struct
 *         rf_ring_end) and only range-checks what it reads of the other's.
 * Order:  the producer publishes records by the release store of `tail`, the
 *         consumer gives slots back by the release store of `head`. Both are
 *         free-running 32-bit counters; slot = counter & (slots - 1).
 * Sleep:  a consumer that wants to sleep stores `asleep`, looks at the ring once
 *         more, then blocks; a producer publishes, then loads `asleep` and kicks
 *         if it is set. A full fence between store and load on both sides makes
 *         sure that at least one of them sees the other.
 *
 * Errors: -EPROTO means that the peer's index is impossible (a protocol error, never a
 *         race). The ring is then dead for this generation.
 */
#ifndef RF_RING_H
#define RF_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The shared part. One writer per cache line. Records follow the header. */
struct rf_ring {
	_Alignas(64) _Atomic uint32_t tail;   /* written by the producer only */
	_Alignas(64) _Atomic uint32_t head;   /* written by the consumer only */
	_Atomic uint32_t              asleep; /* consumer: kick me after publishing */
	_Alignas(64) unsigned char records[];
};
_Static_assert(offsetof(struct rf_ring, head) == 64, "one writer per cache line");
_Static_assert(offsetof(struct rf_ring, records) == 128, "records start on their own line");

/* Bytes of a ring of `slots` records (a power of two) of `size` bytes each. */
#define RF_RING_BYTES(slots, size) (sizeof(struct rf_ring) + (size_t)(slots) * (size))

/* One end of a ring, in memory the peer cannot write. */
struct rf_ring_end {
	struct rf_ring *ring;
	uint32_t        slots; /* power of two, from our own configuration */
	uint32_t        own;   /* our index; the shared one only mirrors it */
	uint32_t        peer;  /* the peer's index as last seen and checked */
};

static inline void rf_ring_attach(struct rf_ring_end *end, void *shared, uint32_t slots)
{
	*end = (struct rf_ring_end){ .ring = shared, .slots = slots };
}

/*
 * Producer: number of records that fit now, 0 when full, -EPROTO when the
 * consumer's head is not within [tail - slots, tail] or goes backwards. Looks at
 * the shared index only when the cached one leaves less than `want`.
 */
static inline int rf_ring_space(struct rf_ring_end *p, uint32_t want)
{
	uint32_t used = p->own - p->peer;

	if (p->slots - used >= want)
		return (int)(p->slots - used);
	uint32_t head = atomic_load_explicit(&p->ring->head, memory_order_acquire);
	if (p->own - head > used)
		return -EPROTO;
	p->peer = head;
	return (int)(p->slots - (p->own - head));
}

/* Producer: copy one record into a slot known to be free; not yet published. */
static inline void rf_ring_put(struct rf_ring_end *p, const void *record, size_t size)
{
	memcpy(p->ring->records + (size_t)(p->own++ & (p->slots - 1)) * size, record, size);
}

/*
 * Producer: the same as n times rf_ring_put(). The index stays in a register, where
 * rf_ring_put() must go through memory: the record might overlay it.
 */
static inline void rf_ring_put_batch(struct rf_ring_end *p, const void *records, uint32_t n,
				     size_t size)
{
	const unsigned char *from = records;
	unsigned char       *slots = p->ring->records;
	uint32_t             own = p->own, mask = p->slots - 1;

	for (uint32_t i = 0; i < n; i++)
		memcpy(slots + (size_t)((own + i) & mask) * size, from + i * size, size);
	p->own = own + n;
}

/* Producer: let the consumer see all records put so far. */
static inline void rf_ring_publish(struct rf_ring_end *p)
{
	atomic_store_explicit(&p->ring->tail, p->own, memory_order_release);
}

/* Producer: after rf_ring_publish(), does the consumer ask for a kick? */
static inline bool rf_ring_peer_asleep(struct rf_ring_end *p)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&p->ring->asleep, memory_order_relaxed) != 0;
}

/*
 * Consumer: number of records ready, 0 when empty, -EPROTO when the producer's
 * tail is further than `slots` ahead of ours or goes backwards. Looks at the
 * shared index only when none is known to be ready.
 */
static inline int rf_ring_ready(struct rf_ring_end *c)
{
	uint32_t known = c->peer - c->own;

	if (known)
		return (int)known;
	uint32_t tail = atomic_load_explicit(&c->ring->tail, memory_order_acquire);
	uint32_t ready = tail - c->own;
	if (ready > c->slots)
		return -EPROTO;
	c->peer = tail;
	return (int)ready;
}

/*
 * Consumer: copy the next record out. Call only for records rf_ring_ready()
 * counted. The copy is what may be looked at; the slot never is. The barrier
 * keeps the compiler from reading the slot a second time.
 */
static inline void rf_ring_take(struct rf_ring_end *c, void *record, size_t size)
{
	memcpy(record, c->ring->records + (size_t)(c->own++ & (c->slots - 1)) * size, size);
	__asm__ volatile("" : : "r"(record) : "memory");
}

/*
 * Consumer: the same as n times rf_ring_take(), n at most what rf_ring_ready()
 * counted. Again only the copies may be looked at.
 */
static inline void rf_ring_take_batch(struct rf_ring_end *c, void *records, uint32_t n, size_t size)
{
	unsigned char       *to = records;
	const unsigned char *slots = c->ring->records;
	uint32_t             own = c->own, mask = c->slots - 1;

	for (uint32_t i = 0; i < n; i++)
		memcpy(to + i * size, slots + (size_t)((own + i) & mask) * size, size);
	c->own = own + n;
	__asm__ volatile("" : : "r"(records) : "memory");
}

/* Consumer: give the slots of all records taken so far back to the producer. */
static inline void rf_ring_release(struct rf_ring_end *c)
{
	atomic_store_explicit(&c->ring->head, c->own, memory_order_release);
}

/* Consumer: ask for a kick. Look at rf_ring_ready() once more before sleeping. */
static inline void rf_ring_arm(struct rf_ring_end *c)
{
	atomic_store_explicit(&c->ring->asleep, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Consumer: awake again, no kicks needed. */
static inline void rf_ring_disarm(struct rf_ring_end *c)
{
	atomic_store_explicit(&c->ring->asleep, 0, memory_order_relaxed);
}

#endif
