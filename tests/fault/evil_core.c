/* SPDX-License-Identifier: MIT */
/*
 * evil_core.c - crashes, to leave a core file with what it had in memory.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of a core file; it is not
 *         dumpable.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	__builtin_trap();
}
