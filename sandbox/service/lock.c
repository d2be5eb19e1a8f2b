/* SPDX-License-Identifier: MIT */
/* lock.c - see lock.h. Room: sandbox/service, trusted. */
#include "lock.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.h"
#include "log.h"

static int install(const struct rf_filter *f)
{
	struct sock_fprog prog = { .len = (unsigned short)f->count,
				   .filter = (struct sock_filter *)f->code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)) {
		rf_log("cannot install system call list %s: %s", f->name, strerror(errno));
		return -errno;
	}
	return 0;
}

int rf_service_lock(const char *name)
{
	/* The disk served may hold the swap: then our pages must not be on it. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		rf_log("memory is not locked (%s): raise the memlock limit before swap is put on "
		       "this disk", strerror(errno));
	for (unsigned i = 0; i < RF_FILTER_COUNT; i++)
		if (!strcmp(rf_filters[i].name, name))
			return install(&rf_filters[i]);
	rf_log("no system call list called %s is built in", name);
	return -ENOENT;
}
