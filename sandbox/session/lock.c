/* SPDX-License-Identifier: MIT */
/* lock.c - see lock.h. Room: sandbox/session, trusted. */
#include "lock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fence.h"
#include "filter.h"
#include "filters.h"
#include "log.h"
#include "memory_lock.h"

static int install(const struct rf_filter *f)
{
	int err = rf_filter_set(f->code, f->count);

	if (err)
		rf_log("cannot install system call list %s: %s", f->name, strerror(-err));
	return err;
}

int rf_service_lock_without(const char *name, uint64_t walls)
{
	/* The disk served may hold the swap: then our pages must not be on it. */
	rf_memory_lock(MCL_CURRENT | MCL_FUTURE);
	rf_fence_apply(RF_FENCE_WALLS & ~walls);
	for (unsigned i = 0; i < RF_FILTER_COUNT; i++)
		if (!strcmp(rf_filters[i].name, name))
			return install(&rf_filters[i]);
	rf_log("no system call list called %s is built in", name);
	return -ENOENT;
}

int rf_service_lock(const char *name)
{
	return rf_service_lock_without(name, 0);
}
