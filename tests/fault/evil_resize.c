/* SPDX-License-Identifier: MIT */
/*
 * evil_resize.c - shrinks the arena under the feet of the trusted side. Its fd is
 * param[0].
 *
 * Room:   tests/fault, hostile. Stopped by: shared memory is sealed.
 */
#include "evil.h"

#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	evil_end(boot, evil_call(SYS_ftruncate, (long)boot->queue[0].param[0], 0, 0, 0, 0, 0));
}
