/* SPDX-License-Identifier: MIT */
/*
 * evil_uname.c - learns the name of the host.
 *
 * Room:   tests/fault, hostile. Stopped by: the UTS namespace.
 */
#include "evil.h"

#include <string.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	static char name[6][65];

	evil_begin(boot);
	long ret = evil_call(SYS_uname, EVIL_P(name), 0, 0, 0, 0, 0);
	if (!ret && !memcmp(name[1], "pit", 4))
		ret = -1; /* the name inside the fence is no host's */
	evil_end(boot, ret);
}
