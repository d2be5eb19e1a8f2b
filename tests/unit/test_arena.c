/* SPDX-License-Identifier: MIT */
/*
 * test_arena.c - the buddy allocator never hands a byte out twice and loses none.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/lib/log.c"
#include "sandbox/blk/arena.c"

#define MIB 1048576u

static uint32_t rng = 1;

static uint32_t next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	return rng ^= rng << 5;
}

static uint32_t take_all(struct rf_arena *a, uint32_t length, uint64_t *first)
{
	uint64_t at;
	uint32_t n = 0;

	while (!rf_arena_take(a, length, &at)) {
		if (first)
			first[n] = at;
		n++;
	}
	return n;
}

static void sizes_round_up_to_powers_of_two(void **state)
{
	(void)state;
	assert_int_equal(rf_arena_size(1), 4096);
	assert_int_equal(rf_arena_size(4096), 4096);
	assert_int_equal(rf_arena_size(4097), 8192);
	assert_int_equal(rf_arena_size(MIB - 1), MIB);
	assert_int_equal(rf_arena_size(MIB), MIB);
}

static void impossible_lengths_are_refused(void **state)
{
	struct rf_arena a;
	uint64_t at;

	(void)state;
	assert_int_equal(rf_arena_open(&a, 0), -EINVAL);
	assert_int_equal(rf_arena_open(&a, 4097), -EINVAL);
	assert_int_equal(rf_arena_open(&a, MIB), 0);
	assert_int_equal(rf_arena_take(&a, 0, &at), -EINVAL);
	assert_int_equal(rf_arena_take(&a, MIB + 1, &at), -EINVAL);
	rf_arena_close(&a);
}

/* Small blocks given back in any order become large ones again. */
static void buddies_merge(void **state)
{
	static uint64_t at[4096];
	struct rf_arena a;

	(void)state;
	assert_int_equal(rf_arena_open(&a, 16ull * MIB), 0);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(take_all(&a, 4096, at), 4096);
		for (uint32_t i = 4096; i > 1; i--) {
			uint32_t j = next_random() % i;
			uint64_t t = at[i - 1];
			at[i - 1] = at[j];
			at[j] = t;
		}
		for (int i = 0; i < 4096; i++)
			rf_arena_give(&a, at[i], 4096);
		assert_int_equal(take_all(&a, MIB, at), 16);
		for (int i = 0; i < 16; i++)
			rf_arena_give(&a, at[i], MIB);
	}
	rf_arena_close(&a);
}

static void an_arena_of_no_whole_mib_is_used_to_its_end(void **state)
{
	struct rf_arena a;
	uint64_t at;

	(void)state;
	assert_int_equal(rf_arena_open(&a, MIB + 7 * 4096), 0);
	assert_int_equal(take_all(&a, 4096, NULL), 256 + 7);
	rf_arena_close(&a);
	assert_int_equal(rf_arena_open(&a, MIB + 7 * 4096), 0);
	assert_int_equal(rf_arena_take(&a, MIB, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(take_all(&a, 8192, NULL), 3);
	rf_arena_close(&a);
}

/* 200,000 random steps against a byte map of who owns what. */
static void no_page_has_two_owners(void **state)
{
	enum { PAGES = 2048, LIVE = 300 };
	static uint8_t owner[PAGES];
	static struct { uint64_t at; uint32_t length; } live[LIVE];
	struct rf_arena a;
	int failed = 0;

	(void)state;
	assert_int_equal(rf_arena_open(&a, PAGES * 4096ull), 0);
	for (int step = 0; step < 200000; step++) {
		uint32_t i = next_random() % LIVE;
		uint32_t pages = live[i].length ? rf_arena_size(live[i].length) / 4096 : 0;

		if (pages) {
			for (uint32_t p = 0; p < pages; p++)
				owner[live[i].at / 4096 + p] = 0;
			rf_arena_give(&a, live[i].at, live[i].length);
			live[i].length = 0;
			continue;
		}
		uint32_t length = 1 + (next_random() % MIB >> next_random() % 9);
		if (rf_arena_take(&a, length, &live[i].at)) {
			failed++;
			continue;
		}
		live[i].length = length;
		pages = rf_arena_size(length) / 4096;
		assert_true(live[i].at % 4096 == 0 && live[i].at / 4096 + pages <= PAGES);
		for (uint32_t p = 0; p < pages; p++) {
			assert_int_equal(owner[live[i].at / 4096 + p], 0);
			owner[live[i].at / 4096 + p] = 1;
		}
	}
	assert_true(failed > 0); /* it was full now and then, or the test tests too little */
	for (int i = 0; i < LIVE; i++)
		if (live[i].length)
			rf_arena_give(&a, live[i].at, live[i].length);
	assert_int_equal(take_all(&a, MIB, NULL), PAGES / 256);
	rf_arena_close(&a);
}

static int exit_code_of(void (*fn)(struct rf_arena *))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct rf_arena a;

		close(2);
		rf_arena_open(&a, MIB);
		fn(&a);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void give_twice(struct rf_arena *a)
{
	uint64_t at;

	rf_arena_take(a, 4096, &at);
	rf_arena_give(a, at, 4096);
	rf_arena_give(a, at, 4096);
}

static void give_other_length(struct rf_arena *a)
{
	uint64_t at;

	rf_arena_take(a, 4096, &at);
	rf_arena_give(a, at, 8192);
}

static void give_outside(struct rf_arena *a)
{
	rf_arena_give(a, MIB, 4096);
}

static void a_wrong_free_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(give_twice), 70);
	assert_int_equal(exit_code_of(give_other_length), 70);
	assert_int_equal(exit_code_of(give_outside), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_round_up_to_powers_of_two),
		cmocka_unit_test(impossible_lengths_are_refused),
		cmocka_unit_test(buddies_merge),
		cmocka_unit_test(an_arena_of_no_whole_mib_is_used_to_its_end),
		cmocka_unit_test(no_page_has_two_owners),
		cmocka_unit_test(a_wrong_free_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
