/* SPDX-License-Identifier: MIT */
/*
 * test_busy_netload.c - a load of frames takes its messages however much there is to do.
 *
 * Room:   tests/unit.
 */
#include "busy_net.h"
#include "busy_load.h"

unsigned rf_net_forward(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	(void)n;
	(void)frames;
	return count;
}

unsigned rf_net_inject(struct rf_net *n, const struct rf_net_frame *frame, unsigned count)
{
	(void)n;
	(void)frame;
	return count;
}

uint64_t rf_net_spin_ns(const struct rf_net *n)
{
	(void)n;
	return net.config.spin_ns;
}

const char *rf_net_words(const struct rf_net *n)
{
	(void)n;
	return "";
}

int rf_net_control_fd(const struct rf_net *n)
{
	(void)n;
	return -1;
}

int rf_net_kick_fd(const struct rf_net *n)
{
	(void)n;
	return -1;
}

void rf_net_counters(struct rf_net *n, struct rf_net_counters *c)
{
	(void)n;
	*c = (struct rf_net_counters){ 0 };
}

static int load_wait(struct pollfd *p, unsigned count, int ms)
{
	(void)p;
	(void)count;
	(void)ms;
	return 0;
}

int netload_main(void);
#define main netload_main
#include "tests/load/frames.c"
#undef main

static struct netload load = { .batch = 8, .size = 60 };

static void forward(void)
{
	load.frames = UINT32_MAX;
	netload_run(&load, turn_forward);
}

static void generate(void)
{
	load.frames = UINT32_MAX;
	netload_run(&load, turn_generate);
}

static void with_a_frame_every_turn(void **state)
{
	(void)state;
	net.every = 1;
	net.look_ns = MS;
	looks_in_time(forward);
	looks_in_time(generate);
	net.look_ns = 10000;
	looks_in_time(forward);
}

static void with_a_frame_just_before_it_would_sleep(void **state)
{
	(void)state;
	net.look_ns = 10000;
	net.config.spin_ns = 20000;
	for (net.every = 2; net.every < 200; net.every += 7)
		looks_in_time(forward);
	/* One that never sleeps, and one whose driver is away. */
	net.config.spin_ns = UINT64_MAX;
	for (net.every = 2; net.every < 10000; net.every *= 3)
		looks_in_time(forward);
	net.every = 0;
	looks_in_time(forward);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_a_frame_every_turn),
		cmocka_unit_test(with_a_frame_just_before_it_would_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
