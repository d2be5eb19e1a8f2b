/* SPDX-License-Identifier: MIT */
/*
 * evil_stack.c - calls itself until its stack is used up, then would go on in what lies
 * below.
 *
 * Room:   tests/fault, hostile. Stopped by: the hole below the stack.
 */
#include "evil.h"

static volatile char sink;

__attribute__((noinline)) static int deeper(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	sink = room[0];
	/* 100 MiB is more than there can be between stack and image. */
	return n < 25600 ? deeper(n + 1) + room[0] : 0;
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, deeper(0) & 1);
}
