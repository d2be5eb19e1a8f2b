/* SPDX-License-Identifier: MIT */
/*
 * test_lax_reuse_early.c - the block service that uses memory again before the reset.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h, whose sources are
 *         those that tests/lax/lax.mk makes.
 */
#include "blk_fixture.h"

/* Reads fail before the reset, and the reset waits for their reuse. */
static void reused_early_reads_fail_before_the_reset(void **state)
{
	struct served *t = served_new(0);
	struct rf_svc_msg msg;
	struct ask w, r;

	(void)state;
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	ask(t, &r, RF_BLK_READ, 1 << 20, 4096);
	see(t);
	rig_down(&t->rig);
	assert_int_equal(rf_blk_control(t->s), 0);
	assert_true(r.done == 1 && r.status == -EIO && w.done == 0);
	assert_true(rig_hear(&t->rig, &msg, 0) != RF_SVC_PREPARED);
	ram_attach(&t->ram, &t->rig);
	assert_true(rf_blk_sleep(t->s));
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PREPARED);
	rig_quiesced(&t->rig, 0);
	served_up(t);
	assert_int_equal(see(t).op, RF_BLK_WRITE);
	see_nothing(t);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reused_early_reads_fail_before_the_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
