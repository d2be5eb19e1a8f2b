/* SPDX-License-Identifier: MIT */
/*
 * clock.c - the time by which deadlines, intervals and records are kept.
 *
 * Room:   sandbox/lib, trusted.
 */
#include "clock.h"

uint64_t rf_now_ns(void)
{
	return rf_clock_ns(CLOCK_MONOTONIC);
}
