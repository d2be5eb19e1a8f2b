/* SPDX-License-Identifier: MIT */
/*
 * test_device_queues.c - a device with two queues: one driver dies, and what becomes of the other.
 *
 * Room:   tests/unit. What is noted: see test_ending.c.
 */
#include "fake_device.h"

/* Two queues: 2 and 3 run, 4 and 5 wait. */
static struct rf_device *with_two(void)
{
	struct rf_device *d = with_queues();

	d->cfg.queues = d->queue_count = 2;
	queue_runs(d, 0);
	queue_runs(d, 1);
	return d;
}

static void one_of_two_goes_on(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	generation_ending(d, 3, 0);
	assert_string_equal(noted, "dDQqN");
	assert_true(d->queue[1].down && !d->queue[0].down);
	generation_prepared(d, 5);
	generation_died(d, &d->queue[1], 1);
	assert_string_equal(noted, "dDQqNuU");
	assert_int_equal(d->queue[1].generation, 5);
	assert_int_equal(d->queue[0].generation, 2);
	assert_int_equal(d->queue[0].kill_requested, 0);
	drop_answer = -EOPNOTSUPP;
}

/* Its queue pair cannot be deleted: the other driver is killed, and its death brings the reset
 * about, which each hears of, and one of them of what it may have lost. */
static void two_are_reset_together(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	drop_answer = -ETIMEDOUT;
	d->template.param[0] = 1; /* it has reset itself */
	generation_ending(d, 3, 0);
	assert_string_equal(noted, "dDK");
	assert_int_equal(d->queue[0].kill_reason, RF_KILL_RESET);
	generation_prepared(d, 5);
	generation_died(d, &d->queue[1], 1);
	assert_string_equal(noted, "dDK"); /* nothing runs before that */
	generation_ending(d, 2, 0);
	assert_string_equal(noted, "dDKdDRqqENNuU");
	assert_int_equal(d->stats->losses, 1);
	generation_prepared(d, 4);
	generation_died(d, &d->queue[0], 1);
	assert_string_equal(noted, "dDKdDRqqENNuUuU");
	assert_false(any_down(d) || d->reset);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

/* The second queue cannot be made after any reset: at some time the device is given up. */
static void a_pair_that_can_never_be_made(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	drop_answer = -ETIMEDOUT;
	for (int i = 0; i < 20 && !d->given_up; i++) {
		memset(noted, 0, sizeof(noted));
		d->resets = i;
		making_fails = true;
		d->queue[1].down = true;
		d->queue[1].ready = false;
		d->queue[1].quiet = true;
		d->enabled = true;
		d->reset = false;
		generation_start(d, &d->queue[1]);
	}
	assert_true(d->given_up);
	making_fails = false;
	drop_answer = -EOPNOTSUPP;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_goes_on),
		cmocka_unit_test(two_are_reset_together),
		cmocka_unit_test(a_pair_that_can_never_be_made),
	};

	fake_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
