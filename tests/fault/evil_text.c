/* SPDX-License-Identifier: MIT */
/*
 * evil_text.c - writes to its own code, and says so if that works.
 *
 * Room:   tests/fault, hostile. Stopped by: no page both writable and executable.
 */
#include "rt.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	(void)boot;
	*(volatile unsigned char *)(uintptr_t)rf_exit = 0xc3;
	rf_kick();
	rf_exit(0);
}
