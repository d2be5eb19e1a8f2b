/* SPDX-License-Identifier: MIT */
/*
 * evil_below.c - reads below and above each of its windows, a page at a time, for the
 * other half of the rings.
 *
 * Room:   tests/fault, hostile. Stopped by: a hole on both sides of every mapping.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	uint64_t at =
	    boot->queue[0].chan + (boot->queue[0].param[0] ? RF_BLK_CHAN_BYTES : -4096ull);

	evil_begin(boot);
	evil_end(boot, (long)(*(volatile unsigned char *)(uintptr_t)at));
}
