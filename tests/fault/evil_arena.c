/* SPDX-License-Identifier: MIT */
/*
 * evil_arena.c - reads payload although its policy gives it none: at the address where
 * the arena would be if the windows were laid side by side.
 *
 * Room:   tests/fault, hostile. Stopped by: the arena is not mapped; every window has
 *         holes beside it.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	uint64_t at = boot->arena ? boot->arena : boot->queue[0].mem + 4096;
	evil_end(boot, (long)(*(volatile unsigned char *)(uintptr_t)at));
}
