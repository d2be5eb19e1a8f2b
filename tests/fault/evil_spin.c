/* SPDX-License-Identifier: MIT */
/*
 * evil_spin.c - never answers, never sleeps: it only takes the processor.
 *
 * Room:   tests/fault, hostile. Stopped by: nothing it could do; its age is noticed by
 *         the service.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	for (;;)
		rf_pause();
}
