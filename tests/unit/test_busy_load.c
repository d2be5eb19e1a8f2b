/* SPDX-License-Identifier: MIT */
/*
 * test_busy_load.c - a load of requests takes its messages however answers come.
 *
 * Room:   tests/unit.
 */
#include "busy.h"
#include "busy_load.h"

static struct {
	uint64_t look_ns, busy_ns; /* what a look for answers costs, and one that finds some */
	unsigned every;            /* so manyth of them finds one; 0: none does */
	uint64_t looks;
	uint64_t spin_ns;
	struct rf_blk_info info;
} blk;

int rf_blk_poll(struct rf_blk *s)
{
	bool some = blk.every && !(++blk.looks % blk.every);

	(void)s;
	busy_for(some ? blk.busy_ns : blk.look_ns);
	return some;
}

int rf_blk_control(struct rf_blk *s)
{
	(void)s;
	return busy_control();
}

void rf_blk_tick(struct rf_blk *s)
{
	(void)s;
	busy_tick();
}

bool rf_blk_sleep(struct rf_blk *s)
{
	(void)s;
	return false;
}

int rf_blk_open(struct rf_blk **out)
{
	*out = NULL;
	return 0;
}

uint64_t rf_blk_spin_ns(const struct rf_blk *s)
{
	(void)s;
	return blk.spin_ns;
}

const char *rf_blk_words(const struct rf_blk *s)
{
	(void)s;
	return "";
}

int rf_blk_control_fd(const struct rf_blk *s)
{
	(void)s;
	return -1;
}

int rf_blk_kick_fd(const struct rf_blk *s)
{
	(void)s;
	return -1;
}

const struct rf_blk_info *rf_blk_info(const struct rf_blk *s)
{
	(void)s;
	return &blk.info;
}

bool rf_blk_up(const struct rf_blk *s)
{
	(void)s;
	return true;
}

void rf_blk_wake(struct rf_blk *s, bool kicked)
{
	(void)s;
	(void)kicked;
}

int rf_blk_patience(const struct rf_blk *s)
{
	(void)s;
	return 0;
}

void rf_blk_push(struct rf_blk *s)
{
	(void)s;
}

int load_main(void);
#define main load_main
#include "tests/load/main.c"
#undef main

void load_feed(struct load *l)
{
	(void)l;
}

int load_prepare(struct load *l)
{
	(void)l;
	return 0;
}

int load_parse(const char *text, struct load_args *a)
{
	(void)text;
	(void)a;
	return 0;
}

const char *load_mode_name(enum load_mode mode)
{
	(void)mode;
	return "";
}

static struct load load = { .args = { .qd = 1 } };

static void run(void)
{
	load_run(&load, -1);
}

/* Each a turn of long work: answers whose every byte is looked at. */
static void with_answers_that_are_verified(void **state)
{
	(void)state;
	load.args.verify = true;
	blk.every = 1;
	for (blk.busy_ns = 10000; blk.busy_ns < ANSWERS_IN; blk.busy_ns *= 4)
		looks_in_time(run);
	load.args.verify = false;
}

static void with_an_answer_every_turn(void **state)
{
	(void)state;
	blk.every = 1;
	blk.busy_ns = MS;
	looks_in_time(run);
}

static void with_an_answer_just_before_it_would_sleep(void **state)
{
	(void)state;
	blk.look_ns = blk.busy_ns = 10000;
	blk.spin_ns = 20000;
	for (blk.every = 2; blk.every < 200; blk.every += 7)
		looks_in_time(run);
	blk.spin_ns = UINT64_MAX;
	for (blk.every = 2; blk.every < 10000; blk.every *= 3)
		looks_in_time(run);
	blk.every = 0;
	looks_in_time(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_answers_that_are_verified),
		cmocka_unit_test(with_an_answer_every_turn),
		cmocka_unit_test(with_an_answer_just_before_it_would_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
