/* SPDX-License-Identifier: MIT */
/*
 * evil_mount.c - mounts over its root directory.
 *
 * Room:   tests/fault, hostile. Stopped by: no capabilities.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_mount, EVIL_P("evil"), EVIL_P("/"), EVIL_P("tmpfs"), 0, 0, 0));
}
