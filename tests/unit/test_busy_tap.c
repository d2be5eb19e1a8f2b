/* SPDX-License-Identifier: MIT */
/*
 * test_busy_tap.c - an interface's export takes its messages however frames come.
 *
 * Room:   tests/unit.
 */
#include "busy_net.h"

bool rf_net_carrier(const struct rf_net *n)
{
	(void)n;
	return false;
}

uint32_t rf_net_tx_bytes(const struct rf_net *n)
{
	(void)n;
	return 2048;
}

int rf_net_tx(struct rf_net *n, const struct rf_net_frame *frame)
{
	(void)n;
	(void)frame;
	return 0;
}

void rf_net_tx_refuse(struct rf_net *n)
{
	(void)n;
}

void rf_net_tx_free(struct rf_net *n, uint32_t at)
{
	(void)n;
	(void)at;
}

#include "net/engine/sum.c"
#include "net/export/tap/vnet.c"
#undef TCP_CHECK
#undef TCP_BYTES
#undef IP6_BYTES
#include "net/export/tap/segment.c"
int tap_main(void);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type" /* a main() needs no return */
#define main tap_main
#include "net/export/tap/main.c"
#undef main
#pragma GCC diagnostic pop

static struct tap tap;

/* A buffer is at hand, and there is no room to send it: nothing is asked of the kernel. */
static void serve(void)
{
	tap = (struct tap){ .buffer = 1 };
	tap_run(&tap);
}

static void with_a_frame_every_turn(void **state)
{
	(void)state;
	net.every = 1;
	net.look_ns = MS;
	net.config.spin_ns = 20000;
	looks_in_time(serve);
	net.look_ns = 10000;
	looks_in_time(serve);
}

/* Each is found by a look after one that found nothing. */
static void with_a_frame_just_before_it_would_sleep(void **state)
{
	(void)state;
	net.look_ns = 10000;
	for (net.every = 2; net.every < 40; net.every++)
		looks_in_time(serve);
	net.config.spin_ns = UINT64_MAX;
	for (net.every = 2; net.every < 1000; net.every *= 3)
		looks_in_time(serve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_a_frame_every_turn),
		cmocka_unit_test(with_a_frame_just_before_it_would_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
