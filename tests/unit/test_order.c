/* SPDX-License-Identifier: MIT */
/*
 * test_order.c - what overlaps a write waits for it, and nothing else does.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 */
#include "blk_fixture.h"

#define KIB 1024u

static void what_overlaps_a_write_waits_for_it(void **state)
{
	static const uint8_t writes[] = { RF_BLK_WRITE, RF_BLK_DISCARD, RF_BLK_ZERO };

	(void)state;
	for (size_t i = 0; i < sizeof(writes); i++) {
		struct served *t = served_new(0);
		struct ask w, r, o, n;

		ask(t, &w, writes[i], 64 * KIB, 8 * KIB);
		ask(t, &r, RF_BLK_READ, 71 * KIB, 4 * KIB); /* its last KiB */
		ask(t, &n, RF_BLK_READ, 72 * KIB, 4 * KIB); /* right behind it */
		ask(t, &o, RF_BLK_WRITE, 60 * KIB, 4 * KIB + 512); /* its first sector */
		struct rf_blk_req first = see(t), second = see(t);
		assert_int_equal(first.offset, 64 * KIB);
		assert_int_equal(second.offset, 72 * KIB);
		see_nothing(t);
		assert_int_equal(t->s->count.held_back, 2);
		ram_answer(&t->ram, &second, 0);
		rf_blk_poll(t->s);
		see_nothing(t);
		ram_answer(&t->ram, &first, 0);
		rf_blk_poll(t->s);
		assert_int_equal(see(t).offset, 71 * KIB);
		assert_int_equal(see(t).offset, 60 * KIB);
		served_free(t);
	}
}

static void reads_make_nobody_wait(void **state)
{
	struct served *t = served_new(0);
	struct ask r, w, q;

	(void)state;
	ask(t, &r, RF_BLK_READ, 0, 4096);
	ask(t, &q, RF_BLK_READ, 0, 4096);
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	assert_int_equal(see(t).op, RF_BLK_READ);
	assert_int_equal(see(t).op, RF_BLK_READ);
	assert_int_equal(see(t).op, RF_BLK_WRITE);
	served_free(t);
}

static void a_chain_of_writes_goes_in_order(void **state)
{
	enum { N = 40 };
	struct served *t = served_new(0);
	struct ask a[N];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		ask(t, &a[i], RF_BLK_WRITE, 4096 + i % 3 * 512, 4096);
	for (uint32_t i = 0; i < N; i++) {
		struct rf_blk_req req = see(t);

		see_nothing(t);
		assert_int_equal(req.offset, 4096 + i % 3 * 512);
		ram_answer(&t->ram, &req, 0);
		rf_blk_poll(t->s);
		assert_int_equal(a[i].done, 1);
	}
	served_free(t);
}

/* A held write makes later ones wait for it, but not an older read. */
static void order_is_by_submission(void **state)
{
	struct served *t = served_new(0);
	struct ask w1, r, w2, r2;

	(void)state;
	ask(t, &w1, RF_BLK_WRITE, 0, 4096);
	ask(t, &r, RF_BLK_READ, 0, 8192);     /* waits for w1 */
	ask(t, &w2, RF_BLK_WRITE, 4096, 4096); /* waits for nobody */
	ask(t, &r2, RF_BLK_READ, 4096, 4096);  /* waits for w2 */
	struct rf_blk_req first = see(t), second = see(t);
	assert_int_equal(second.offset, 4096);
	see_nothing(t);
	ram_answer(&t->ram, &first, 0);
	rf_blk_poll(t->s);
	assert_int_equal(see(t).length, 8192); /* although w2, younger, overlaps it */
	see_nothing(t);
	ram_answer(&t->ram, &second, 0);
	rf_blk_poll(t->s);
	assert_int_equal(see(t).length, 4096);
	served_free(t);
}

static void flush_waits_for_nobody(void **state)
{
	struct served *t = served_new(0);
	struct ask w, f;

	(void)state;
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	ask(t, &f, RF_BLK_FLUSH, 0, 0);
	assert_int_equal(see(t).op, RF_BLK_WRITE);
	assert_int_equal(see(t).op, RF_BLK_FLUSH);
	served_free(t);
}

static void more_than_can_be_held_stops_the_queue_and_loses_nothing(void **state)
{
	enum { N = 3 * RF_DEFERRED_MAX };
	struct served *t = served_new(0);
	static struct ask a[N], other;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(ask(t, &a[i], RF_BLK_WRITE, 0, 512), 0);
	assert_int_equal(ask(t, &other, RF_BLK_READ, 1 << 20, 512), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct rf_blk_req req = see(t);

		if (req.op == RF_BLK_READ) {
			ram_answer(&t->ram, &req, 0);
			req = see(t);
		}
		ram_answer(&t->ram, &req, 0);
		rf_blk_poll(t->s);
		assert_int_equal(a[i].done, 1);
	}
	assert_int_equal(other.done, 1);
	served_free(t);
}

static bool must_wait(struct served *t, const struct rf_blk_req *fresh,
		      const struct rf_blk_req *hand)
{
	uint64_t fresh_seq = t->s->queue[0].entry[RF_TAG_INDEX(fresh->tag)].seq;

	if (hand->offset >= fresh->offset + fresh->length ||
	    fresh->offset >= hand->offset + hand->length || !rf_op_writes(hand->op))
		return false;
	/* A read that was held may meet a younger write, but never an older one. */
	return rf_op_writes(fresh->op) ||
	       t->s->queue[0].entry[RF_TAG_INDEX(hand->tag)].seq < fresh_seq;
}

/* Random overlapping requests, answered in random order: the driver never has in its
 * hands a write and what is to wait for it, and everything is answered. */
static void never_two_overlapping_writes_in_flight(void **state)
{
	enum { N = 400, ROUNDS = 60 };
	struct served *t = served_new(0);
	static struct ask a[N];
	static struct rf_blk_req hand[RF_BLK_DEPTH];
	uint32_t x = 99;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < N; i++) {
			static const uint8_t ops[] = { RF_BLK_READ, RF_BLK_WRITE, RF_BLK_ZERO,
						       RF_BLK_DISCARD };
			x = x * 1664525 + 1013904223;
			uint64_t offset = (x >> 8) % 2048 * 512;
			uint32_t length = (1 + (x >> 20) % 64) * 512;
			if (!(x >> 27)) /* wide: past the filter */
				offset = 0, length = 8 << 20;
			uint8_t op = length > 1 << 20 ? RF_BLK_ZERO : ops[x >> 6 & 3];
			assert_int_equal(ask(t, &a[i], op, offset, length), 0);
		}
		uint32_t n = 0;
		for (;;) {
			rf_blk_push(t->s);
			while (ram_take(&t->ram, &hand[n])) {
				for (uint32_t i = 0; i < n; i++)
					assert_false(must_wait(t, &hand[n], &hand[i]));
				n++;
			}
			if (!n)
				break;
			x = x * 1664525 + 1013904223;
			uint32_t pick = (x >> 8) % n;
			ram_answer(&t->ram, &hand[pick], 0);
			hand[pick] = hand[--n];
			assert_int_equal(rf_blk_poll(t->s), 1);
		}
		for (uint32_t i = 0; i < N; i++)
			assert_int_equal(a[i].done, 1);
		assert_int_equal(t->s->order.writers, 0);
		assert_int_equal(t->s->order.wide, 0);
		for (uint32_t i = 0; i < RF_ORDER_BUCKETS; i++)
			assert_int_equal(t->s->order.filter[i], 0);
	}
	assert_true(t->s->count.held_back > 1000);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_overlaps_a_write_waits_for_it),
		cmocka_unit_test(reads_make_nobody_wait),
		cmocka_unit_test(a_chain_of_writes_goes_in_order),
		cmocka_unit_test(order_is_by_submission),
		cmocka_unit_test(flush_waits_for_nobody),
		cmocka_unit_test(more_than_can_be_held_stops_the_queue_and_loses_nothing),
		cmocka_unit_test(never_two_overlapping_writes_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
