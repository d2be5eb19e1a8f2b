/* SPDX-License-Identifier: MIT */
/*
 * evil_memory.c - takes memory and fills it.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of the address space.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define BYTES (64l << 20)

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long at = evil_call(SYS_mmap, 0, BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	evil_end(boot, at);
}
