/* SPDX-License-Identifier: MIT */
/*
 * busy_load.h - what a load generator asks of a C library and of its start, for busy.h: the clock
 * is the test's.
 *
 * Room:   tests/unit. Included ahead of the program's source, in the place of its launch_log.h.
 */
#ifndef RF_TEST_BUSY_LOAD_H
#define RF_TEST_BUSY_LOAD_H

#include <poll.h>

#include "clock.h"
#include "ringfence.h"

#define LOAD_SAY_H
#define LOAD_EXIT 70

extern const char load_name[];
#define load_say(...) fail_msg(__VA_ARGS__)
#define load_die(...) \
	do { \
		fail_msg(__VA_ARGS__); \
		abort(); \
	} while (0)

static uint64_t load_now_ns(void)
{
	return rf_now_ns();
}

void rf_program_name(const char *name)
{
	(void)name;
}

int rf_program_lock(void)
{
	return 0;
}

#endif
