/* SPDX-License-Identifier: MIT */
/* filter.c - see filter.h. Room: sandbox/lib, trusted. */
#include "filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int rf_filter_set(const struct sock_filter *code, unsigned count)
{
	struct sock_fprog prog = { .len = (unsigned short)count,
				   .filter = (struct sock_filter *)code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return -errno;
	return 0;
}
