/* SPDX-License-Identifier: MIT */
/*
 * evil_fork.c - forks.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of processes.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long pid = evil_call(SYS_fork, 0, 0, 0, 0, 0, 0);
	if (!pid)
		rf_exit(0);
	evil_end(boot, pid);
}
