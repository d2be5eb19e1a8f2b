/* SPDX-License-Identifier: MIT */
/* memory_lock.c - see memory_lock.h. Room: sandbox/lib, trusted. */
#include "memory_lock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "log.h"

void rf_memory_lock(int flags)
{
	struct rlimit r;

	if (!mlockall(flags))
		return;
	int err = errno;
	if (!getrlimit(RLIMIT_MEMLOCK, &r) && r.rlim_cur != RLIM_INFINITY &&
	    (err == ENOMEM || err == EPERM))
		rf_log("the locked-memory limit of %llu KiB is too low to keep this process in "
		       "memory: harmless "
		       "unless swap lies on a disk that is served",
		       (unsigned long long)r.rlim_cur >> 10);
	else
		rf_log("this process is not kept in memory (%s): harmless unless swap lies on a "
		       "disk that is "
		       "served",
		       strerror(err));
}
