/* SPDX-License-Identifier: MIT */
/*
 * test_poison.c - a request that kills each driver fails alone.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 */
#include "blk_fixture.h"

static void requests_are_reissued_alone_after_two_times(void **state)
{
	struct served *t = served_new(0);
	struct ask a[3], later;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		ask(t, &a[i], RF_BLK_READ, i * 4096, 4096);
	for (int death = 0; death < 2; death++) {
		for (uint32_t i = 0; i < 3; i++)
			see(t);
		served_cycle(t);
	}
	for (uint32_t i = 0; i < 3; i++)
		see(t);
	served_cycle(t); /* the third death with all of them in flight */
	ask(t, &later, RF_BLK_READ, 1 << 20, 4096);
	for (uint32_t i = 0; i < 3; i++) {
		struct rf_blk_req req = see(t);

		assert_int_equal(req.offset, i * 4096);
		see_nothing(t);
		ram_answer(&t->ram, &req, 0);
		assert_int_equal(rf_blk_poll(t->s), 1);
		assert_int_equal(a[i].done, 1);
	}
	assert_int_equal(see(t).offset, 1 << 20);
	served_free(t);
}

/* The second of three kills every driver. It fails, named; the others are answered. */
static void a_poisonous_request_fails_alone(void **state)
{
	struct served *t = served_new(0);
	struct ask a[3];
	int deaths = 0;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		ask(t, &a[i], RF_BLK_READ, i * 4096, 4096);
	rf_blk_push(t->s);
	while (!a[1].done) {
		struct rf_blk_req req;
		bool died = false;

		assert_true(deaths < 10);
		rf_blk_push(t->s);
		/* It dies of the poison before it answers anything else it took. */
		struct rf_blk_req took[3];
		int n = 0;
		while (ram_take(&t->ram, &req)) {
			died |= req.offset == 4096;
			took[n++] = req;
		}
		if (!died) {
			for (int i = 0; i < n; i++)
				ram_answer(&t->ram, &took[i], 0);
			rf_blk_poll(t->s);
			continue;
		}
		deaths++;
		served_down(t);
		/* Its buffer is not free before the device is quiet. */
		assert_int_equal(a[1].done, 0);
		rig_quiesced(&t->rig, 0);
		assert_int_equal(rf_blk_control(t->s), 0);
		served_up(t);
	}
	assert_int_equal(deaths, 4); /* two reissues, then one alone */
	assert_int_equal(a[1].status, -EIO);
	for (;;) {
		struct rf_blk_req req;

		rf_blk_push(t->s);
		if (!ram_take(&t->ram, &req))
			break;
		ram_answer(&t->ram, &req, 0);
		rf_blk_poll(t->s);
	}
	assert_true(a[0].done == 1 && a[0].status == 0);
	assert_true(a[2].done == 1 && a[2].status == 0);
	assert_int_equal(rf_blk_inflight(t->s), 0);
	served_free(t);
}

static void a_poisonous_write_frees_those_behind_it(void **state)
{
	struct served *t = served_new(0);
	struct ask w, r;

	(void)state;
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	ask(t, &r, RF_BLK_READ, 0, 4096);
	for (int death = 0; death < 4; death++) {
		assert_int_equal(see(t).op, RF_BLK_WRITE);
		see_nothing(t);
		served_cycle(t);
	}
	assert_int_equal(w.status, -EIO);
	struct rf_blk_req req = see(t);
	assert_int_equal(req.op, RF_BLK_READ);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_reissued_alone_after_two_times),
		cmocka_unit_test(a_poisonous_request_fails_alone),
		cmocka_unit_test(a_poisonous_write_frees_those_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
