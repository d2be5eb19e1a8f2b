/* SPDX-License-Identifier: MIT */
/*
 * test_ring.c - the ring against a peer that writes whatever it likes.
 *
 * Room:   tests/unit.
 * Checks: from every state of a small ring, every index the peer can claim within
 *         +-600 of ours and of every power of two: taken exactly when it is possible;
 *         a record is looked at once; wrap-around of the 32-bit counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "ring.h"

#define SLOTS 8u

static struct rf_ring *ring_new(uint32_t slots, size_t size)
{
	size_t bytes = (RF_RING_BYTES(slots, size) + 63) & ~(size_t)63;
	struct rf_ring *ring = aligned_alloc(64, bytes);

	assert_non_null(ring);
	memset(ring, 0, bytes);
	return ring;
}

typedef void probe_fn(struct rf_ring *, uint32_t base, uint32_t used, uint32_t claim);

/* Every claim worth trying, around `base`. */
static void each_claim(probe_fn *probe, uint32_t base, uint32_t used)
{
	struct rf_ring *ring = ring_new(SLOTS, 4);

	for (int64_t d = -600; d <= 600; d++)
		probe(ring, base, used, base + (uint32_t)d);
	for (uint32_t bit = 10; bit < 32; bit++)
		for (int64_t d = -20; d <= 20; d++)
			probe(ring, base, used, base + (1u << bit) + (uint32_t)d);
	free(ring);
}

static void each_state(probe_fn *probe)
{
	static const uint32_t bases[] = { 0,          1,          SLOTS,     0x7fffffff,
					  0x80000000, 0xfffffff8, 0xffffffff };

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		for (uint32_t used = 0; used <= SLOTS; used++)
			each_claim(probe, bases[i], used);
}

/* Consumer: own index `base`, everything known taken; the producer claims a tail. */
static void probe_tail(struct rf_ring *ring, uint32_t base, uint32_t used, uint32_t claim)
{
	struct rf_ring_end c = { .ring = ring, .slots = SLOTS, .own = base, .peer = base };

	(void)used;
	atomic_store(&ring->tail, claim);
	int ready = rf_ring_ready(&c);
	if (claim - base <= SLOTS) {
		assert_int_equal(ready, claim - base);
		assert_int_equal(c.peer, claim);
	} else {
		assert_int_equal(ready, -EPROTO);
		assert_int_equal(c.peer, base);
	}
}

/* Producer: `used` records not given back so far; the consumer claims a head. */
static void probe_head(struct rf_ring *ring, uint32_t base, uint32_t used, uint32_t claim)
{
	struct rf_ring_end p = { .ring = ring, .slots = SLOTS, .own = base + used, .peer = base };

	atomic_store(&ring->head, claim);
	int space = rf_ring_space(&p, SLOTS + 1);
	if (claim - base <= used) /* from where it was to where we are */
		assert_int_equal(space, SLOTS - (base + used - claim));
	else
		assert_int_equal(space, -EPROTO);
	/* What is known to be free is never asked for again. */
	struct rf_ring_end q = { .ring = ring, .slots = SLOTS, .own = base + used, .peer = base };
	if (used < SLOTS)
		assert_int_equal(rf_ring_space(&q, 1), SLOTS - used);
}

static void consumer_takes_only_a_possible_tail(void **state)
{
	(void)state;
	each_state(probe_tail);
}

static void producer_takes_only_a_possible_head(void **state)
{
	(void)state;
	each_state(probe_head);
}

/* A tail that moves back after it was seen is a protocol error only once the known ones are
 * used. */
static void a_tail_going_backwards_is_caught(void **state)
{
	struct rf_ring *ring = ring_new(SLOTS, 4);
	struct rf_ring_end c;
	uint32_t record;

	(void)state;
	rf_ring_attach(&c, ring, SLOTS);
	atomic_store(&ring->tail, 4);
	assert_int_equal(rf_ring_ready(&c), 4);
	atomic_store(&ring->tail, 2);
	for (int i = 4; i > 0; i--) {
		assert_int_equal(rf_ring_ready(&c), i);
		rf_ring_take(&c, &record, sizeof(record));
	}
	assert_int_equal(rf_ring_ready(&c), -EPROTO);
	free(ring);
}

struct torn {
	struct rf_ring *ring;
	_Atomic int     stop;
};

struct pair {
	uint64_t a, b;
};

/* Rewrites the slots all the time, halves of a record apart. */
static void *tear(void *arg)
{
	struct torn *t = arg;
	volatile struct pair *slot = (void *)t->ring->records;

	for (uint64_t i = 0; !atomic_load(&t->stop); i++)
		for (unsigned s = 0; s < SLOTS; s++) {
			slot[s].a = i;
			slot[s].b = i;
		}
	return NULL;
}

/* The peer may tear a record, but not change it after it was taken. */
static void a_taken_record_stays_as_it_was_checked(void **state)
{
	struct torn t = { .ring = ring_new(SLOTS, sizeof(struct pair)) };
	pthread_t thread;
	struct rf_ring_end c;
	struct pair got;

	(void)state;
	rf_ring_attach(&c, t.ring, SLOTS);
	assert_int_equal(pthread_create(&thread, NULL, tear, &t), 0);
	for (uint32_t i = 0; i < 2000000; i++) {
		atomic_store_explicit(&t.ring->tail, c.own + 1, memory_order_relaxed);
		assert_int_equal(rf_ring_ready(&c), 1);
		rf_ring_take(&c, &got, sizeof(got));
		uint64_t first = got.a, second = got.b;
		__asm__ volatile("" : : : "memory");
		assert_true(first == got.a && second == got.b);
	}
	atomic_store(&t.stop, 1);
	pthread_join(thread, NULL);
	free(t.ring);
}

static void records_come_out_in_order_across_the_wrap(void **state)
{
	struct rf_ring *ring = ring_new(SLOTS, 4);
	struct rf_ring_end p, c;
	uint32_t in = 0, out = 0;

	(void)state;
	rf_ring_attach(&p, ring, SLOTS);
	rf_ring_attach(&c, ring, SLOTS);
	p.own = p.peer = c.own = c.peer = 0xffffff00;
	atomic_store(&ring->tail, p.own);
	atomic_store(&ring->head, p.own);
	while (out < 1000) {
		for (int n = rf_ring_space(&p, 3); n > 0 && in < 1000; n--, in++)
			rf_ring_put(&p, &in, sizeof(in));
		rf_ring_publish(&p);
		for (int n = rf_ring_ready(&c); n > 0; n--, out++) {
			uint32_t got;
			rf_ring_take(&c, &got, sizeof(got));
			assert_int_equal(got, out);
		}
		rf_ring_release(&c);
	}
	free(ring);
}

static void a_full_ring_has_no_space(void **state)
{
	struct rf_ring *ring = ring_new(SLOTS, 4);
	struct rf_ring_end p;
	uint32_t record = 7;

	(void)state;
	rf_ring_attach(&p, ring, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_int_equal(rf_ring_space(&p, 1), SLOTS - i);
		rf_ring_put(&p, &record, sizeof(record));
	}
	assert_int_equal(rf_ring_space(&p, 1), 0);
	assert_false(rf_ring_peer_asleep(&p));
	atomic_store(&ring->asleep, 1);
	assert_true(rf_ring_peer_asleep(&p));
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumer_takes_only_a_possible_tail),
		cmocka_unit_test(producer_takes_only_a_possible_head),
		cmocka_unit_test(a_tail_going_backwards_is_caught),
		cmocka_unit_test(a_taken_record_stays_as_it_was_checked),
		cmocka_unit_test(records_come_out_in_order_across_the_wrap),
		cmocka_unit_test(a_full_ring_has_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
