/* SPDX-License-Identifier: MIT */
/*
 * evil_mmap_wx.c - asks for a page that is writable and executable, and runs what it
 * wrote there.
 *
 * Room:   tests/fault, hostile. Stopped by: PR_SET_MDWE.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long at = evil_call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at > 0) {
		*(volatile unsigned char *)at = 0xc3; /* ret */
		((void (*)(void))at)();
	}
	evil_end(boot, at);
}
