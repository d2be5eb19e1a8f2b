/* SPDX-License-Identifier: MIT */
/*
 * evil_exit.c - ends with the code by which the launcher says that an image is bad, so
 * that its device is given up for ever.
 *
 * Room:   tests/fault, hostile. Stopped by: behind the lock a code is believed by
 *         nobody.
 */
#include "evil.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	rf_exit(121);
}
