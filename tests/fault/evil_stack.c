/* SPDX-License-Identifier: MIT */
/*
 * evil_stack.c - calls itself until its stack is used up, and then goes on in what lies
 * below: param[0] bytes in all.
 *
 * Room:   tests/fault, hostile. Stopped by: the hole below the stack.
 */
#include "evil.h"

static volatile char sink;

__attribute__((noinline)) static int deeper(uintptr_t end)
{
	volatile char room[2048];

	room[0] = (char)end;
	sink = room[0];
	return (uintptr_t)room > end ? deeper(end) + room[0] : 0;
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	char here;

	evil_begin(boot);
	evil_end(boot, deeper((uintptr_t)&here - boot->queue[0].param[0]) & 1);
}
