/* SPDX-License-Identifier: MIT */
/*
 * test_promises.c - what SEMANTICS.md promises, under random requests of every kind, random
 * deaths of drivers and exports, lies, and resets that drop the write cache.
 *
 * Room:   tests/unit; see promises.h. RF_SEED=n repeats one run; RF_RUNS=n makes more of them.
 */
#include "promises.h"

static void run(uint64_t seed, uint32_t flags)
{
	static struct world w;

	w = (struct world){ .t = served_new(flags), .dice = seed };
	answers = 0;
	printf("# RF_SEED=%llu%s: ", (unsigned long long)seed, flags ? " with integrity" : "");
	fflush(stdout);
	for (unsigned turn = 0; turn < 12000; turn++) {
		client_turn(&w);
		driver_turn(&w);
		if (chance(&w, 4))
			rf_blk_poll(w.t->s);
		if (w.dead ? chance(&w, 2) : !chance(&w, 150))
			driver_dies(&w);
		else if (!chance(&w, 1500))
			export_dies(&w);
		power_could_fail(&w);
	}
	printf("%u requests, %u drivers and %u exports dead, %u caches lost, %u flushes refused\n",
	       w.done, w.deaths, w.exports, w.losses, w.refused);
	assert_true(w.done > 3000 && w.deaths > 30 && w.losses > 3);
	served_free(w.t);
}

static void runs_of(uint32_t flags)
{
	const char *seed = getenv("RF_SEED"), *runs = getenv("RF_RUNS");
	int n = seed ? 1 : runs ? atoi(runs) : 10;

	for (int i = 0; i < n; i++)
		run(seed ? strtoull(seed, NULL, 0) : (uint64_t)i + 1, flags);
}

static void random_requests_and_deaths_keep_every_promise(void **state)
{
	(void)state;
	runs_of(0);
}

/* Deaths, reissues and lost caches are no lies: nothing honest may be taken for one. */
static void the_integrity_layer_keeps_them_too(void **state)
{
	(void)state;
	runs_of(RF_EXPORT_INTEGRITY_MEMORY);
}

/* Nothing that may not be done twice gets in at all. */
static void an_operation_nobody_knows_is_refused(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	for (unsigned op = 0; op < 256; op++)
		if (op < RF_BLK_READ || op > RF_BLK_ZERO)
			assert_int_equal(ask(t, &a, (uint8_t)op, 0, 4096), -EINVAL);
	see_nothing(t);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_requests_and_deaths_keep_every_promise),
		cmocka_unit_test(the_integrity_layer_keeps_them_too),
		cmocka_unit_test(an_operation_nobody_knows_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
