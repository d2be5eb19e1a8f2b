/* SPDX-License-Identifier: MIT */
/*
 * evil_dup.c - makes a file descriptor.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of descriptors.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_dup, RF_FD_WAKE, 0, 0, 0, 0, 0));
}
