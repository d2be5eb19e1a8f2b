/* SPDX-License-Identifier: MIT */
/*
 * test_lax_no_reissue.c - the block service that reissues nothing answers requests unseen.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h, whose sources are
 *         those that tests/lax/lax.mk makes.
 */
#include "blk_fixture.h"

static void without_reissue_requests_are_answered_unseen(void **state)
{
	struct served *t = served_new(0);
	struct ask a, b;

	(void)state;
	ask(t, &a, RF_BLK_WRITE, 0, 4096);
	ask(t, &b, RF_BLK_READ, 0, 4096); /* held */
	see(t);
	served_cycle(t);
	assert_true(a.done == 1 && a.status == 0);
	assert_int_equal(t->s->queue[0].session.stats->log[1].reissued, 0);
	assert_int_equal(see(t).op, RF_BLK_READ);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_reissue_requests_are_answered_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
