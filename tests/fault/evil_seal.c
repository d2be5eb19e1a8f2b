/* SPDX-License-Identifier: MIT */
/*
 * evil_seal.c - adds a seal to the arena, so that the trusted side can map it no more.
 * Its fd is param[0].
 *
 * Room:   tests/fault, hostile. Stopped by: the seals are sealed.
 */
#include "evil.h"

#include <fcntl.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_SEAL_GROW 4
#endif
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_fcntl, (long)boot->queue[0].param[0], F_ADD_SEALS,
				 F_SEAL_GROW, 0, 0, 0));
}
