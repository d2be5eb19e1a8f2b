/* SPDX-License-Identifier: MIT */
/*
 * evil_relro.c - writes to a relocated constant, and says so if that works.
 *
 * Room:   tests/fault, hostile. Stopped by: RELRO, applied before the lock.
 */
#include "rt.h"

static void (*const table[])(int) = { rf_exit };

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	const volatile void *target = &table[boot->queue_count - 1];

	*(volatile unsigned char *)(uintptr_t)target = 0;
	rf_kick();
	rf_exit(0);
}
