/* SPDX-License-Identifier: MIT */
/*
 * test_service.c - the block service: a lying driver, hold-back, a full table.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h.
 */
#include "blk_fixture.h"

#define KIB 1024u

/* ---- honest ---------------------------------------------------------------- */

static void a_request_travels_and_comes_back(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	assert_int_equal(ask(t, &a, RF_BLK_READ, 8192, 4096), 0);
	struct rf_blk_req req = see(t);
	assert_int_equal(req.op, RF_BLK_READ);
	assert_int_equal(req.offset, 8192);
	assert_int_equal(req.length, 4096);
	assert_int_equal(req.generation, 1);
	assert_int_equal(rf_blk_inflight(t->s), 1);
	assert_int_equal(rf_blk_poll(t->s), 0);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.status, 0);
	assert_int_equal(rf_blk_inflight(t->s), 0);
	served_free(t);
}

static void every_status_of_the_list_is_passed_on(void **state)
{
	static const int status[] = { 0, -EIO, -ENOSPC, -EOPNOTSUPP, -EPERM, -EILSEQ, -EINVAL };
	struct served *t = served_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		struct ask a;

		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		ram_answer(&t->ram, &req, status[i]);
		assert_int_equal(rf_blk_poll(t->s), 1);
		assert_int_equal(a.status, status[i]);
	}
	served_free(t);
}

static void requests_outside_the_disk_or_its_units_are_refused(void **state)
{
	struct served *t = served_new(0);
	uint64_t size = t->rig.info.size;
	struct ask a;

	(void)state;
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 0), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_READ, 1, 512), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 513), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_READ, size, 512), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_READ, size - 512, 1024), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_READ, ~511ull, 1024), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_WRITE, 0, (1 << 20) + 512), -EINVAL);
	assert_int_equal(ask(t, &a, RF_BLK_DISCARD, 0, (1u << 30) + 512), -EINVAL);
	assert_int_equal(ask(t, &a, 0, 0, 512), -EINVAL);
	assert_int_equal(ask(t, &a, 6, 0, 512), -EINVAL);
	assert_int_equal(ask(t, &a, 8 | RF_BLK_READ, 0, 512), -EINVAL);
	a = (struct ask){ .io = { .op = RF_BLK_READ, .length = 8192, .arena = ARENA - 4096 } };
	assert_int_equal(rf_blk_submit(t->s, &a.io), -EINVAL);
	a.io.arena = 512;
	assert_int_equal(rf_blk_submit(t->s, &a.io), -EINVAL);
	see_nothing(t);
	served_free(t);
}

static void a_read_only_export_refuses_writes(void **state)
{
	struct served *t = served_new(RF_EXPORT_READ_ONLY);
	struct ask a;

	(void)state;
	assert_true(rf_blk_info(t->s)->features & RF_BLK_READ_ONLY);
	assert_int_equal(ask(t, &a, RF_BLK_WRITE, 0, 512), -EROFS);
	assert_int_equal(ask(t, &a, RF_BLK_DISCARD, 0, 512), -EROFS);
	assert_int_equal(ask(t, &a, RF_BLK_ZERO, 0, 512), -EROFS);
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 512), 0);
	served_free(t);
}

static void the_driver_is_kicked_only_while_it_sleeps(void **state)
{
	struct served *t = served_new(0);
	struct pollfd p = { .fd = t->rig.fd[RF_EXPORT_FD_WAKE0], .events = POLLIN };
	struct ask a, b;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	see(t);
	assert_int_equal(poll(&p, 1, 0), 0);
	rf_ring_arm(&t->ram.req);
	ask(t, &b, RF_BLK_READ, 0, 512);
	see(t);
	assert_int_equal(poll(&p, 1, 0), 1);
	served_free(t);
}

static void the_service_does_not_sleep_over_an_answer(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	assert_true(rf_blk_sleep(t->s));
	assert_true(rf_ring_peer_asleep(&t->ram.resp));
	rf_blk_wake(t->s, false);
	assert_false(rf_ring_peer_asleep(&t->ram.resp));
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	assert_false(rf_blk_sleep(t->s));
	assert_false(rf_ring_peer_asleep(&t->ram.resp));
	served_free(t);
}

static void a_full_table_keeps_the_rest_in_order(void **state)
{
	enum { N = RF_BLK_DEPTH + 100 };
	struct served *t = served_new(0);
	static struct ask a[N];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(ask(t, &a[i], RF_BLK_READ, i * 512, 512), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct rf_blk_req req = see(t);

		assert_int_equal(req.offset, i * 512);
		ram_answer(&t->ram, &req, 0);
		assert_int_equal(rf_blk_poll(t->s), 1);
		assert_int_equal(a[i].done, 1);
		assert_true(rf_blk_inflight(t->s) <= RF_BLK_DEPTH);
	}
	see_nothing(t);
	served_free(t);
}

/* ---- a lying driver -------------------------------------------------------- */

/* The protocol error was reported to the device process, and nothing of this ring counts any
 * more. */
static void assert_caught(struct served *t, struct rf_blk_req *live, struct ask *a,
			  enum rf_proto_error bad)
{
	struct rf_svc_msg msg;
	struct ask later;
	int done = a->done;

	assert_int_equal(rf_blk_poll(t->s), 0);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PROTO_ERROR);
	assert_int_equal(msg.value, bad);
	assert_int_equal(msg.generation, t->rig.generation);
	assert_int_equal(t->rig.stats->violations, 1);
	/* Even the truth is not believed now, and no further message goes out. */
	ram_answer(&t->ram, live, 0);
	assert_int_equal(rf_blk_poll(t->s), 0);
	assert_int_equal(a->done, done);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	assert_true(rf_blk_sleep(t->s));
	/* What comes meanwhile waits for the successor. */
	assert_int_equal(ask(t, &later, RF_BLK_READ, 512, 512), 0);
	see_nothing(t);
	served_cycle(t);
	struct rf_blk_req again = see(t);
	if (!done) {
		assert_int_equal(again.offset, live->offset);
		assert_int_not_equal(again.tag, live->tag);
		ram_answer(&t->ram, &again, 0);
		again = see(t);
	}
	assert_int_equal(again.offset, 512);
	ram_answer(&t->ram, &again, 0);
	assert_int_equal(rf_blk_poll(t->s), done ? 1 : 2);
	assert_int_equal(a->done, 1);
	assert_int_equal(later.done, 1);
	served_free(t);
}

static void unknown_tags_are_lies(void **state)
{
	(void)state;
	/* Another entry, an index outside the table, another serial, nothing at all. */
	for (int i = 0; i < 6; i++) {
		struct served *t = served_new(0);
		struct ask a;

		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		uint32_t tags[] = { req.tag + 1, req.tag | RF_BLK_DEPTH, req.tag | 0xffff,
				    req.tag + 0x10000, 0, 0xffffffff };
		ram_say(&t->ram, tags[i], 1, 0);
		assert_caught(t, &req, &a, RF_BAD_TAG);
	}
}

static void an_answer_given_twice_is_a_lie(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	ram_answer(&t->ram, &req, 0);
	assert_caught(t, &req, &a, RF_BAD_TAG);
}

/* The entry is in use again, under another serial: the old tag does not answer it. */
static void a_stale_tag_does_not_answer_its_entrys_next_request(void **state)
{
	struct served *t = served_new(0);
	struct ask a, b;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	struct rf_blk_req old = see(t);
	ram_answer(&t->ram, &old, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	ask(t, &b, RF_BLK_READ, 1024, 512);
	struct rf_blk_req fresh = see(t);
	assert_int_equal(fresh.tag & 0xffff, old.tag & 0xffff);
	ram_answer(&t->ram, &old, 0);
	assert_caught(t, &fresh, &b, RF_BAD_TAG);
}

static void another_generation_is_a_lie(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct served *t = served_new(0);
		const uint32_t claim[] = { 0, 2, 0x80000001 };
		struct ask a;

		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		ram_say(&t->ram, req.tag, claim[i], 0);
		assert_caught(t, &req, &a, RF_BAD_GENERATION);
	}
}

static void a_status_out_of_the_list_is_a_lie(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct served *t = served_new(0);
		const int32_t claim[] = { 1, -1000000, -EROFS, INT32_MIN, 4096 };
		struct ask a;

		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		ram_answer(&t->ram, &req, claim[i]);
		assert_caught(t, &req, &a, RF_BAD_STATUS);
	}
}

static void an_index_jump_is_a_lie(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct served *t = served_new(0);
		const uint32_t jump[] = { RF_BLK_DEPTH + 1, 0x7fffffff, 0x80000000, ~0u - 300,
					  ~0u };
		struct ask a;

		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		atomic_store(&t->ram.resp.ring->tail, jump[i]);
		assert_caught(t, &req, &a, RF_BAD_INDEX);
	}
}

/* A tail that promises records never written: the garbage in the slots is caught. */
static void a_promise_of_unwritten_records_is_a_lie(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	struct rf_blk_req req = see(t);
	atomic_store(&t->ram.resp.ring->tail, RF_BLK_DEPTH);
	assert_caught(t, &req, &a, RF_BAD_GENERATION);
}

/* True answers in front of a protocol error count; those behind it do not. */
static void a_lie_ends_its_batch(void **state)
{
	struct served *t = served_new(0);
	struct ask a[3];
	struct rf_blk_req req[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		ask(t, &a[i], RF_BLK_READ, i * 512, 512);
	for (int i = 0; i < 3; i++)
		req[i] = see(t);
	ram_answer(&t->ram, &req[0], 0);
	ram_say(&t->ram, req[1].tag ^ 0x40000, 1, 0);
	ram_answer(&t->ram, &req[2], 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	assert_int_equal(a[0].done, 1);
	assert_int_equal(a[1].done + a[2].done, 0);
	served_free(t);
}

/* 100,000 random answers of a driver gone mad, each request answered exactly once. */
static void a_mad_driver_cannot_answer_twice_or_crash_us(void **state)
{
	struct served *t = served_new(0);
	static struct ask a[64];
	struct rf_svc_msg msg;
	uint32_t x = 12345, answered = 0, lies = 0;
	int log = dup(2);

	(void)state;
	dup2(t->rig.fd[RF_EXPORT_FD_LISTEN], 2); /* a line a protocol error is too much to read */
	for (uint32_t round = 0; round < 3000; round++) {
		for (int i = 0; i < 64; i++)
			if (!round || a[i].done) {
				if (round)
					assert_int_equal(a[i].done, 1);
				answered += round != 0;
				ask(t, &a[i], RF_BLK_READ, (uint64_t)i * 512, 512);
			}
		rf_blk_push(t->s);
		for (int i = 0; i < 33; i++) {
			struct rf_blk_req req;

			if (!ram_take(&t->ram, &req))
				break;
			x = x * 1664525 + 1013904223;
			if (x >> 16 == 0)
				atomic_store(&t->ram.resp.ring->tail, x);
			else if ((x >> 22) == 1)
				ram_say(&t->ram, x, t->ram.generation, 0);
			else if ((x >> 22) == 2)
				ram_say(&t->ram, req.tag, t->ram.generation - (x & 1),
					(int)(x >> 8));
			else
				ram_answer(&t->ram, &req, 0);
		}
		rf_blk_poll(t->s);
		if (rig_hear(&t->rig, &msg, 0) == RF_SVC_PROTO_ERROR) {
			lies++;
			served_cycle(t);
		}
	}
	dup2(log, 2);
	close(log);
	assert_true(answered > 10000 && lies > 20);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_travels_and_comes_back),
		cmocka_unit_test(every_status_of_the_list_is_passed_on),
		cmocka_unit_test(requests_outside_the_disk_or_its_units_are_refused),
		cmocka_unit_test(a_read_only_export_refuses_writes),
		cmocka_unit_test(the_driver_is_kicked_only_while_it_sleeps),
		cmocka_unit_test(the_service_does_not_sleep_over_an_answer),
		cmocka_unit_test(a_full_table_keeps_the_rest_in_order),
		cmocka_unit_test(unknown_tags_are_lies),
		cmocka_unit_test(an_answer_given_twice_is_a_lie),
		cmocka_unit_test(a_stale_tag_does_not_answer_its_entrys_next_request),
		cmocka_unit_test(another_generation_is_a_lie),
		cmocka_unit_test(a_status_out_of_the_list_is_a_lie),
		cmocka_unit_test(an_index_jump_is_a_lie),
		cmocka_unit_test(a_promise_of_unwritten_records_is_a_lie),
		cmocka_unit_test(a_lie_ends_its_batch),
		cmocka_unit_test(a_mad_driver_cannot_answer_twice_or_crash_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
