/* SPDX-License-Identifier: MIT */
/*
 * test_histogram.c - the layout of the histograms is what their header says, values are found again
 * within 1/32, and a reader believes no number.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/proto/histogram.c"

static struct rf_histogram_copy copy;

/* Every bucket begins where the one before it ends, and its own ends are in it. */
static void buckets_leave_no_gap(void **state)
{
	uint64_t next_low = 0;

	(void)state;
	for (uint32_t i = 0; i < RF_HISTOGRAM_BUCKETS; i++) {
		uint64_t low = rf_histogram_low(i), high = rf_histogram_high(i);

		assert_int_equal(low, next_low);
		assert_true(high >= low && (high - low) * 32 <= low);
		assert_int_equal(rf_histogram_bucket(low), i);
		assert_int_equal(rf_histogram_bucket(high), i);
		next_low = high + 1;
	}
	assert_int_equal(next_low, RF_HISTOGRAM_MOST + 1);
	assert_int_equal(rf_histogram_bucket(UINT64_MAX), RF_HISTOGRAM_BUCKETS - 1);
}

/* As the header says it, for values that others may compute by hand. */
static void buckets_are_where_the_header_says(void **state)
{
	static const struct { uint64_t ns; uint32_t bucket; } known[] = {
		{ 0, 0 }, { 63, 63 }, { 64, 64 }, { 65, 64 }, { 66, 65 }, { 127, 95 }, { 128, 96 },
		{ 1000, 32 * 4 + 62 }, { 1000000, 32 * 14 + 61 }, { 1000000000, 32 * 24 + 59 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(rf_histogram_bucket(known[i].ns), known[i].bucket);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

#define VALUES 20000u

static uint64_t random_ns(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 24 >> (*seed >> 8 & 31); /* of any size */
}

/* Never below the true value, and at most 1/32 above it. */
static void percentiles_are_those_of_the_values(void **state)
{
	static const uint32_t asked[] = { 1, 10, 500, 900, 990, 999, 1000 };
	static uint64_t value[VALUES];
	static struct rf_histogram h;
	uint64_t seed = 7, sum = 0;

	(void)state;
	for (uint32_t i = 0; i < VALUES; i++) {
		value[i] = random_ns(&seed);
		sum += value[i];
		rf_histogram_add(&h, value[i]);
	}
	qsort(value, VALUES, sizeof(*value), by_size);
	rf_histogram_read(&copy, &h);
	assert_int_equal(copy.count, VALUES);
	assert_int_equal(copy.sum_ns, sum);
	assert_int_equal(copy.max_ns, value[VALUES - 1]);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		uint64_t is = value[(VALUES * asked[i] + 999) / 1000 - 1],
			 said = rf_histogram_at(&copy, asked[i]);

		if (said < is || said - is > is / 32)
			fail_msg("%u/1000: %llu, but said %llu", asked[i], (unsigned long long)is,
				 (unsigned long long)said);
	}
	for (unsigned bit = 6; bit < 40; bit++) {
		uint64_t bound = (1ull << bit) - 1, n = 0;

		while (n < VALUES && value[n] <= bound)
			n++;
		assert_int_equal(rf_histogram_upto(&copy, bound), n);
	}
}

static void without_a_value_all_is_zero(void **state)
{
	static const struct rf_histogram none;

	(void)state;
	rf_histogram_read(&copy, &none);
	assert_int_equal(copy.count, 0);
	assert_int_equal(copy.max_ns, 0);
	assert_int_equal(rf_histogram_at(&copy, 999), 0);
}

static void what_takes_longer_than_the_longest_counts_as_that(void **state)
{
	static struct rf_histogram h;

	(void)state;
	rf_histogram_add(&h, RF_HISTOGRAM_MOST * 100);
	rf_histogram_read(&copy, &h);
	assert_int_equal(copy.bucket[RF_HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(copy.max_ns, RF_HISTOGRAM_MOST * 100);
	assert_int_equal(rf_histogram_at(&copy, 500), RF_HISTOGRAM_MOST);
}

/* Whoever writes may have been taken over. */
static void a_reader_believes_no_number(void **state)
{
	static struct rf_histogram h;

	(void)state;
	memset(&h, 0xff, sizeof(h));
	rf_histogram_read(&copy, &h);
	assert_true(copy.count == UINT64_MAX);
	assert_true(rf_histogram_at(&copy, 999) <= RF_HISTOGRAM_MOST);
	memset(&h, 0, sizeof(h));
	h.bucket[rf_histogram_bucket(1000)] = 5;
	h.max_ns = 7; /* of another moment, or a lie */
	rf_histogram_read(&copy, &h);
	assert_int_equal(rf_histogram_bucket(copy.max_ns), rf_histogram_bucket(1000));
	assert_int_equal(rf_histogram_bucket(rf_histogram_at(&copy, 500)),
			 rf_histogram_bucket(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_leave_no_gap),
		cmocka_unit_test(buckets_are_where_the_header_says),
		cmocka_unit_test(percentiles_are_those_of_the_values),
		cmocka_unit_test(without_a_value_all_is_zero),
		cmocka_unit_test(what_takes_longer_than_the_longest_counts_as_that),
		cmocka_unit_test(a_reader_believes_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
