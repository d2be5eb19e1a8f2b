/* SPDX-License-Identifier: MIT */
/*
 * evil_chroot.c - changes its root directory.
 *
 * Room:   tests/fault, hostile. Stopped by: no capabilities.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_chroot, EVIL_P("/"), 0, 0, 0, 0, 0));
}
