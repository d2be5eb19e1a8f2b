/* SPDX-License-Identifier: MIT */
/*
 * evil_signal.c - signals a process of the same user: param[0].
 *
 * Room:   tests/fault, hostile. Stopped by: the PID namespace; Landlock.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_kill, (long)boot->queue[0].param[0], 0, 0, 0, 0, 0));
}
