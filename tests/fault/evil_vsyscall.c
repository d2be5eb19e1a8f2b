/* SPDX-License-Identifier: MIT */
/*
 * evil_vsyscall.c - enters the kernel by the vsyscall page, the oldest door there is.
 *
 * Room:   tests/fault, hostile. Stopped by: the filter, which the kernel asks there
 *         too.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	long (*const gettime)(void *, void *) = (long (*)(void *, void *))0xffffffffff600000ul;

	evil_begin(boot);
	evil_end(boot, gettime(0, 0));
}
