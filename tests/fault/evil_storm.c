/* SPDX-License-Identifier: MIT */
/*
 * evil_storm.c - wakes the service as fast as it can, for nothing.
 *
 * Room:   tests/fault, hostile. Stopped by: the service reads its counter only when it
 *         sleeps.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	for (;;)
		rf_kick();
}
