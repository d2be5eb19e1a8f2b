/* SPDX-License-Identifier: MIT */
/*
 * evil_hog.c - takes more memory than its device needs, and touches all of it.
 *
 * Room:   tests/fault, hostile. Stopped by: the memory limit of its control group.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define STEP  (16l << 20)
#define STEPS 16

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	long at = 0;

	evil_begin(boot);
	for (int i = 0; i < STEPS && at >= 0; i++)
		at = evil_call(SYS_mmap, 0, STEP, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	/* A step that is not populated in full comes back all the same: touch the last. */
	for (long k = 0; at > 0 && k < STEP; k += 4096)
		*(volatile char *)(at + k) = 1;
	evil_end(boot, at);
}
