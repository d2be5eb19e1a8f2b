/* SPDX-License-Identifier: MIT */
/*
 * test_stopped.c - who is stopped by a signal is ended after so many looks of the keeper's, and
 * nobody for time in which the keeper took none.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/keeper/stopped.c"

static void one_that_stays_stopped_is_due(void **state)
{
	struct rf_stopped s = { .count = 0 };
	uint64_t now = 5000000000ull;
	unsigned looks = 0;

	(void)state;
	assert_int_equal(rf_stopped_wait_ms(&s, now), -1);
	assert_int_equal(rf_stopped_due(&s, now), 0);
	rf_stopped_add(&s, 7, RF_STOPPED_LOOKS);
	rf_stopped_add(&s, 8, RF_STOPPED_DRIVER);
	while (!rf_stopped_due(&s, now)) {
		int ms = rf_stopped_wait_ms(&s, now);
		assert_in_range(ms, 0, RF_STOPPED_LOOK_MS + 1);
		now += (uint64_t)ms * 1000000;
		assert_in_range(++looks, 1, RF_STOPPED_LOOKS + 1);
	}
	assert_int_equal(s.count, 1);
	assert_int_equal(s.few[0].pid, 8);
}

static void one_that_goes_on_is_not(void **state)
{
	struct rf_stopped s = { .count = 0 };
	uint64_t now = 5000000000ull;

	(void)state;
	for (int i = 0; i < 100; i++) {
		rf_stopped_add(&s, 7, RF_STOPPED_LOOKS);
		for (int k = 0; k < RF_STOPPED_LOOKS - 1; k++)
			assert_int_equal(rf_stopped_due(&s, now += LOOK_NS), 0);
		rf_stopped_remove(&s, 7);
	}
	assert_int_equal(rf_stopped_wait_ms(&s, now), -1);
}

/* All of it was stopped for an hour, the keeper too. */
static void time_without_a_look_is_nobodys(void **state)
{
	struct rf_stopped s = { .count = 0 };
	uint64_t now = 5000000000ull;

	(void)state;
	rf_stopped_add(&s, 7, RF_STOPPED_LOOKS);
	assert_int_equal(rf_stopped_due(&s, now), 0);
	assert_int_equal(rf_stopped_due(&s, now + 3600000000000ull), 0);
	rf_stopped_remove(&s, 7);
	assert_int_equal(s.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_stays_stopped_is_due),
		cmocka_unit_test(one_that_goes_on_is_not),
		cmocka_unit_test(time_without_a_look_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
