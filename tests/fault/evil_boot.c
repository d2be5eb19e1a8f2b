/* SPDX-License-Identifier: MIT */
/*
 * evil_boot.c - writes to its boot record, and says so if that works.
 *
 * Room:   tests/fault, hostile. Stopped by: the page is mapped read-only.
 */
#include "rt.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	*(volatile uint64_t *)(uintptr_t)&boot->arena_iova = 0;
	rf_kick();
	rf_exit(0);
}
