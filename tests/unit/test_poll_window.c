/* SPDX-License-Identifier: MIT */
/*
 * test_poll_window.c - a poll window stays open where waits are short, closes where they are long,
 * and is found out to be worth it again.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "poll_window.h"

#define MOST 20000u
#define WAKE 30000u /* what a sleep adds to a wait */

/* One wait for something that takes `takes`. Ticks looked, and *slept. */
static uint64_t wait_once(struct rf_poll_window *w, uint64_t takes, bool *slept)
{
	uint64_t looked = w->now < takes ? w->now : takes;

	*slept = !rf_poll_window_lasts(w, takes - 1);
	rf_poll_window_learn(w, takes + (*slept ? WAKE : 0));
	return looked;
}

static uint64_t wait_often(struct rf_poll_window *w, unsigned times, uint64_t takes,
			   unsigned *slept)
{
	uint64_t looked = 0;
	bool one;

	*slept = 0;
	while (times--) {
		looked += wait_once(w, takes, &one);
		*slept += one;
	}
	return looked;
}

static void short_waits_are_looked_through(void **state)
{
	struct rf_poll_window w;
	unsigned slept;

	(void)state;
	rf_poll_window_open(&w, MOST);
	assert_int_equal(wait_often(&w, 1000, MOST / 2, &slept), 1000 * (uint64_t)(MOST / 2));
	assert_int_equal(slept, 0);
}

static void long_waits_cost_little(void **state)
{
	struct rf_poll_window w;
	unsigned slept;

	(void)state;
	rf_poll_window_open(&w, MOST);
	wait_often(&w, 10, 5 * MOST, &slept);
	assert_false(rf_poll_window_lasts(&w, 0));
	/* a trial in 64, and the halvings behind it */
	assert_true(wait_often(&w, 6400, 5 * MOST, &slept) <= 100 * (uint64_t)MOST * 2);
	assert_int_equal(slept, 6400);
}

static void one_long_wait_among_short_ones_changes_little(void **state)
{
	struct rf_poll_window w;
	unsigned slept;
	bool one;

	(void)state;
	rf_poll_window_open(&w, MOST);
	for (unsigned i = 0; i < 100; i++) {
		wait_once(&w, 5 * MOST, &one);
		wait_often(&w, 10, MOST / 4, &slept);
		assert_int_equal(slept, 0);
		assert_int_equal(w.now, MOST);
	}
}

/* Every wait is slept through, so none seems short: only a trial finds out. */
static void a_window_that_closed_opens_again(void **state)
{
	struct rf_poll_window w;
	unsigned slept;

	(void)state;
	rf_poll_window_open(&w, MOST);
	wait_often(&w, 10, 5 * MOST, &slept);
	wait_often(&w, RF_POLL_TRIAL, MOST / 2, &slept);
	assert_true(slept < RF_POLL_TRIAL);
	wait_often(&w, 1000, MOST / 2, &slept);
	assert_int_equal(slept, 0);
}

static void without_a_budget_nobody_looks_and_with_an_endless_one_nobody_sleeps(void **state)
{
	struct rf_poll_window w;
	unsigned slept;

	(void)state;
	rf_poll_window_open(&w, 0);
	assert_int_equal(wait_often(&w, 1000, 1, &slept), 0);
	assert_int_equal(slept, 1000);
	rf_poll_window_open(&w, UINT64_MAX);
	wait_often(&w, 1000, 1000000000, &slept);
	assert_int_equal(slept, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_waits_are_looked_through),
		cmocka_unit_test(long_waits_cost_little),
		cmocka_unit_test(one_long_wait_among_short_ones_changes_little),
		cmocka_unit_test(a_window_that_closed_opens_again),
		cmocka_unit_test(
			without_a_budget_nobody_looks_and_with_an_endless_one_nobody_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
