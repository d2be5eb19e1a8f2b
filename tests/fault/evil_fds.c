/* SPDX-License-Identifier: MIT */
/*
 * evil_fds.c - looks for file descriptors that were left open.
 *
 * Room:   tests/fault, hostile. Stopped by: all but the listed ones are closed before
 *         the lock.
 */
#include "evil.h"

#include <fcntl.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	long found = 0;

	evil_begin(boot);
	for (long fd = 2; fd < 1024; fd++)
		found += evil_call(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) >= 0;
	evil_end(boot, found ? found : -9 /* EBADF */);
}
