/* SPDX-License-Identifier: MIT */
/*
 * clock.h - what time it is. Nobody else asks the kernel.
 *
 * Room:   sandbox/lib, trusted.
 */
#ifndef RF_CLOCK_H
#define RF_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of any clock of the kernel's. */
static inline uint64_t rf_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds since the machine started, sleep not counted. A test that needs another time
 * defines this function itself. */
uint64_t rf_now_ns(void);

#endif
