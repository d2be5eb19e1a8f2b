/* SPDX-License-Identifier: MIT */
/*
 * evil_shm.c - attaches shared memory of the host: key param[0].
 *
 * Room:   tests/fault, hostile. Stopped by: the IPC namespace.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long id = evil_call(SYS_shmget, (long)boot->queue[0].param[0], 0, 0, 0, 0, 0);
	evil_end(boot, id < 0 ? id : evil_call(SYS_shmat, id, 0, 0, 0, 0, 0));
}
