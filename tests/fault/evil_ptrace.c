/* SPDX-License-Identifier: MIT */
/*
 * evil_ptrace.c - traces a process of the same user, param[0], to read and change it.
 *
 * Room:   tests/fault, hostile. Stopped by: the PID namespace; Landlock.
 */
#include "evil.h"

#include <sys/syscall.h>

#define PTRACE_SEIZE 0x4206

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot,
		 evil_call(SYS_ptrace, PTRACE_SEIZE, (long)boot->queue[0].param[0], 0, 0, 0, 0));
}
