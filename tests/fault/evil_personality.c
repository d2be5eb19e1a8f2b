/* SPDX-License-Identifier: MIT */
/*
 * evil_personality.c - has every readable page made executable by an old personality, and
 * runs what it wrote to one.
 *
 * Room:   tests/fault, hostile. Stopped by: PR_SET_MDWE.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define READ_IMPLIES_EXEC 0x0400000

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long at = evil_call(SYS_personality, READ_IMPLIES_EXEC, 0, 0, 0, 0, 0);
	if (at >= 0)
		at = evil_call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at > 0) {
		*(volatile unsigned char *)at = 0xc3; /* ret */
		((void (*)(void))at)();
	}
	evil_end(boot, at);
}
