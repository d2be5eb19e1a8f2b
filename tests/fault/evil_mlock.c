/* SPDX-License-Identifier: MIT */
/*
 * evil_mlock.c - locks the arena into memory.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of locked memory.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot,
		 evil_call(SYS_mlock, (long)boot->arena, (long)boot->arena_bytes, 0, 0, 0, 0));
}
