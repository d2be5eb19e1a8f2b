/* SPDX-License-Identifier: MIT */
/*
 * evil_stop.c - stops itself, so that it neither runs nor dies.
 *
 * Room:   tests/fault, hostile. Stopped by: it is the first process of a PID namespace,
 *         which nobody inside can stop.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_call(SYS_kill, evil_call(SYS_getpid, 0, 0, 0, 0, 0, 0), 19 /* SIGSTOP */, 0, 0, 0, 0);
	evil_end(boot, -1); /* went on: it was not stopped */
}
