/* SPDX-License-Identifier: MIT */
/*
 * evil_file.c - makes a file in memory and lets it grow.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of a file's size.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long fd = evil_call(SYS_memfd_create, EVIL_P("evil"), 0, 0, 0, 0, 0);
	evil_end(boot, fd < 0 ? fd : evil_call(SYS_write, fd, EVIL_P("evil"), 4, 0, 0, 0));
}
