/* SPDX-License-Identifier: MIT */
/*
 * evil_mprotect_x.c - makes data executable and runs it.
 *
 * Room:   tests/fault, hostile. Stopped by: PR_SET_MDWE.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static unsigned char page[8192] __attribute__((aligned(4096)));

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	*(volatile unsigned char *)page = 0xc3; /* ret */
	long ret = evil_call(SYS_mprotect, EVIL_P(page), 4096, PROT_READ | PROT_EXEC, 0, 0, 0);
	if (!ret)
		((void (*)(void))(uintptr_t)page)();
	evil_end(boot, ret);
}
