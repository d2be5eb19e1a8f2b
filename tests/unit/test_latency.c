/* SPDX-License-Identifier: MIT */
/*
 * test_latency.c - which requests are timed, from when to when, and that their number and that of
 * all requests is right.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h.
 */
#include "blk_fixture.h"

#include "sandbox/proto/histogram.c"

static struct rf_histogram_copy copy;

static uint64_t timed(struct served *t, enum rf_latency_class class)
{
	rf_histogram_read(&copy, &t->s->queue[0].session.stats->latency[class]);
	return copy.count;
}

/* Ticks are nanoseconds, and the next request is timed. */
static void time_next(struct served *t)
{
	t->s->latency.rate = 1ull << 32;
	t->s->latency.at -= t->s->latency.untimed - 1;
	t->s->latency.untimed = 1;
}

static void answer(struct served *t)
{
	struct rf_blk_req req = see(t);

	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
}

/* Between the two stamps that the test takes inside, and the two that it takes outside. */
static void assert_bracketed(uint64_t out0, uint64_t in0, uint64_t in1, uint64_t out1)
{
	assert_true(copy.sum_ns >= in1 - in0);
	assert_true(copy.sum_ns <= out1 - out0);
	assert_int_equal(copy.max_ns, copy.sum_ns);
}

static void each_kind_has_its_histogram(void **state)
{
	static const struct { uint8_t op; enum rf_latency_class class; } kind[] = {
		{ RF_BLK_READ, RF_LATENCY_READ },    { RF_BLK_WRITE, RF_LATENCY_WRITE },
		{ RF_BLK_FLUSH, RF_LATENCY_FLUSH },  { RF_BLK_DISCARD, RF_LATENCY_OTHER },
		{ RF_BLK_ZERO, RF_LATENCY_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		struct served *t = served_new(0);
		struct ask a, other;

		time_next(t);
		uint64_t out0 = __builtin_ia32_rdtsc();
		assert_int_equal(ask(t, &a, kind[i].op, 0, kind[i].op == RF_BLK_FLUSH ? 0 : 4096),
				 0);
		uint64_t in0 = __builtin_ia32_rdtsc();
		uint64_t in1 = __builtin_ia32_rdtsc();
		answer(t);
		uint64_t out1 = __builtin_ia32_rdtsc();
		assert_int_equal(timed(t, kind[i].class), 1);
		assert_bracketed(out0, in0, in1, out1);
		t->s->latency.untimed += 10; /* the next one is not */
		t->s->latency.at += 10;
		assert_int_equal(ask(t, &other, kind[i].op, 0,
				     kind[i].op == RF_BLK_FLUSH ? 0 : 4096), 0);
		answer(t);
		assert_int_equal(timed(t, kind[i].class), 1);
		served_free(t);
	}
}

/* One that waits, for a driver here, is timed from when it was asked for; its driver's death is
 * in its time. */
static void what_waits_is_timed_from_its_start(void **state)
{
	struct served *t = served_new(0);
	struct ask a, b;

	(void)state;
	served_down(t);
	time_next(t);
	uint64_t out0 = __builtin_ia32_rdtsc();
	assert_int_equal(ask(t, &a, RF_BLK_WRITE, 0, 4096), 0);
	uint64_t in0 = __builtin_ia32_rdtsc();
	rig_quiesced(&t->rig, 0);
	served_up(t);
	see(t); /* and dies with it */
	served_cycle(t);
	uint64_t in1 = __builtin_ia32_rdtsc();
	answer(t);
	uint64_t out1 = __builtin_ia32_rdtsc();
	assert_int_equal(a.done, 1);
	assert_int_equal(timed(t, RF_LATENCY_WRITE), 1);
	assert_bracketed(out0, in0, in1, out1);
	/* Held back behind an older write. */
	assert_int_equal(ask(t, &b, RF_BLK_WRITE, 0, 4096), 0);
	time_next(t);
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 4096), 0);
	answer(t);
	assert_int_equal(timed(t, RF_LATENCY_READ), 0);
	answer(t);
	assert_int_equal(timed(t, RF_LATENCY_READ), 1);
	served_free(t);
}

static void what_no_driver_answered_is_not_counted(void **state)
{
	struct served *t = served_new(0);
	struct ask a, b;

	(void)state;
	time_next(t);
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 4096), 0);
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
	assert_int_equal(a.status, -EIO);
	assert_int_equal(ask(t, &b, RF_BLK_READ, 0, 4096), -EIO);
	assert_int_equal(timed(t, RF_LATENCY_READ), 0);
	assert_int_equal(rf_submitted(t->s), 1);
	served_free(t);
}

/* Without a rate there is no time. It is known once a millisecond has passed. */
static void the_clock_is_set_by_itself(void **state)
{
	struct served *t = served_new(0);
	uint64_t from = t->s->latency.ns;

	(void)state;
	assert_int_equal(t->s->latency.rate, 0);
	rf_latency_tick(&t->s->latency, from + 10);
	assert_int_equal(t->s->latency.rate, 0);
	t->s->latency.tsc = __builtin_ia32_rdtsc() - 3000000;
	rf_latency_tick(&t->s->latency, from + 1000000);
	double rate = (double)t->s->latency.rate / 4294967296.0;
	assert_true(rate > 0 && rate <= 1.0 / 3);
	/* A counter that began anew, after the machine slept, changes nothing but the start. */
	t->s->latency.tsc = UINT64_MAX / 2;
	rf_latency_tick(&t->s->latency, from + 9000000);
	assert_true((double)t->s->latency.rate / 4294967296.0 == rate);
	assert_int_equal(t->s->latency.ns, from + 9000000);
	served_free(t);
}

/* The place of timed requests within batches of 32: each as likely as any other, in chi-square with
 * 31 degrees of freedom. A timed one in each 64 would always have the same place. */
static void no_place_in_a_batch_is_preferred(void **state)
{
	struct served *t = served_new(0);
	uint64_t seen[32] = { 0 }, n = 0, at = 0;
	double chi = 0;

	(void)state;
	t->s->latency.random = 20261201;
	for (; n < 100000; n++) {
		uint32_t passed = latency_draw(&t->s->latency);

		assert_in_range(passed, 1, 2 * RF_LATENCY_ONE_IN - 1);
		at += passed;
		seen[at % 32]++;
	}
	assert_in_range(at / n, RF_LATENCY_ONE_IN - 1, RF_LATENCY_ONE_IN);
	for (int i = 0; i < 32; i++) {
		double off = (double)seen[i] - (double)n / 32;

		chi += off * off / ((double)n / 32);
	}
	assert_true(chi < 61.1); /* 1 in 1,000; the seed is fixed, so this is not by chance */
	served_free(t);
}

/* All requests are counted, timed or not, by successors too. */
static void requests_are_counted_as_ever(void **state)
{
	struct served *t = served_new(0);
	uint64_t timed_ones = 0;
	struct ask a;

	(void)state;
	t->s->latency.rate = 1ull << 32;
	for (uint64_t n = 1; n <= 5000; n++) {
		timed_ones += t->s->latency.untimed == 1;
		assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 4096), 0);
		answer(t);
		assert_int_equal(rf_submitted(t->s), n);
		assert_int_equal(ask(t, &a, RF_BLK_READ, 1, 4096), -EINVAL); /* taken by nobody */
	}
	assert_int_equal(timed(t, RF_LATENCY_READ), timed_ones);
	assert_in_range(timed_ones, 20, 80);
	rf_stats_publish(t->s);
	assert_int_equal(t->rig.stats->submitted, 5000);
	rf_stats_adopt(t->s);
	assert_int_equal(rf_submitted(t->s), 5000);
	served_free(t);
}

/* ---- recoveries ------------------------------------------------------------------------- */

static uint64_t step_of(struct served *t, enum rf_recovery_step step)
{
	rf_histogram_read(&copy, &t->s->queue[0].session.stats->step[step]);
	return copy.count;
}

/* The steps by what the device process wrote down, once each, and the whole once it answers. */
static void steps_are_counted_once(void **state)
{
	struct served *t = served_new(0);
	struct rf_stats_device *d = (void *)((char *)t->rig.stats + RF_STATS_DEVICE);
	uint64_t now = rf_now_ns() - 10000000;
	struct ask a;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 4096);
	see(t);
	served_down(t);
	d->ended_ns[1] = now - 40000;
	d->log[1] = (struct rf_recovery_device){ .generation = 1, .detect_ns = now,
						 .quiesced_ns = now + 200000,
						 .spawned_ns = now - 900000,
						 .enabled_ns = now + 500000 };
	rig_quiesced(&t->rig, 0);
	served_up(t);
	rf_steps_up(&t->s->queue[0].session, 1); /* an export that is told again */
	for (int i = RF_STEP_DETECT; i <= RF_STEP_ENABLE; i++)
		assert_int_equal(step_of(t, i), 1);
	assert_int_equal(copy.sum_ns, 300000); /* ENABLE, since it was silent */
	assert_int_equal((step_of(t, RF_STEP_DETECT), copy.sum_ns), 40000);
	assert_int_equal((step_of(t, RF_STEP_QUIESCE), copy.sum_ns), 200000);
	assert_int_equal((step_of(t, RF_STEP_SPAWN), copy.sum_ns), 0); /* a standby */
	assert_int_equal(step_of(t, RF_STEP_WHOLE), 0);
	answer(t);
	assert_int_equal(step_of(t, RF_STEP_FIRST_IO), 1);
	uint64_t first_io = copy.sum_ns;
	assert_int_equal(step_of(t, RF_STEP_WHOLE), 1);
	assert_int_equal(copy.sum_ns, first_io + 540000);
	served_free(t);
}

/* A device process that wrote nothing down, or of another death, is not guessed at. */
static void what_nobody_wrote_down_is_not_counted(void **state)
{
	struct served *t = served_new(0);
	struct rf_stats_device *d = (void *)((char *)t->rig.stats + RF_STATS_DEVICE);
	struct ask a;

	(void)state;
	d->log[1].generation = 1 + RF_STATS_LOG;
	ask(t, &a, RF_BLK_READ, 0, 4096);
	see(t);
	served_cycle(t);
	answer(t);
	for (int i = 0; i < RF_STEPS; i++)
		assert_int_equal(step_of(t, i), 0);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_histogram),
		cmocka_unit_test(what_waits_is_timed_from_its_start),
		cmocka_unit_test(what_no_driver_answered_is_not_counted),
		cmocka_unit_test(the_clock_is_set_by_itself),
		cmocka_unit_test(no_place_in_a_batch_is_preferred),
		cmocka_unit_test(requests_are_counted_as_ever),
		cmocka_unit_test(steps_are_counted_once),
		cmocka_unit_test(what_nobody_wrote_down_is_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
