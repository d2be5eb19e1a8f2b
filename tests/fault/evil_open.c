/* SPDX-License-Identifier: MIT */
/*
 * evil_open.c - opens a file of the host.
 *
 * Room:   tests/fault, hostile. Stopped by: the empty root directory; Landlock.
 */
#include "evil.h"

#include <fcntl.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_openat, AT_FDCWD, EVIL_P("/etc/passwd"), O_RDONLY, 0, 0, 0));
}
