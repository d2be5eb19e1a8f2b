/* SPDX-License-Identifier: MIT */
/*
 * evil_suid.c - executes a program that becomes root: param[0] of its path are in queue
 * memory.
 *
 * Room:   tests/fault, hostile. Stopped by: no_new_privs.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	static const char *const argv[] = { "whoami", 0 };

	evil_begin(boot);
	evil_end(boot, evil_call(SYS_execve, EVIL_P("/tmp/ringfence-whoami"), EVIL_P(argv),
				 EVIL_P(argv + 1), 0, 0, 0));
}
