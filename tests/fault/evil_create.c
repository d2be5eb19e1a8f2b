/* SPDX-License-Identifier: MIT */
/*
 * evil_create.c - makes a file where anybody may.
 *
 * Room:   tests/fault, hostile. Stopped by: the read-only root directory; Landlock.
 */
#include "evil.h"

#include <fcntl.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_openat, AT_FDCWD, EVIL_P("/tmp/ringfence-was-here"),
				 O_CREAT | O_RDWR, 0600, 0, 0));
}
