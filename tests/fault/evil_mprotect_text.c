/* SPDX-License-Identifier: MIT */
/*
 * evil_mprotect_text.c - makes its code writable, changes it and runs it again.
 *
 * Room:   tests/fault, hostile. Stopped by: PR_SET_MDWE, which does not let a page
 *         become executable again.
 */
#include "evil.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

__attribute__((section(".text.target"), aligned(4096), noinline)) static int target(void)
{
	return 1;
}
__attribute__((section(".text.target"), aligned(4096), used)) static void behind(void)
{
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	int (*volatile call)(void) = target;

	evil_begin(boot);
	long page = EVIL_P(target);
	long ret = evil_call(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE, 0, 0, 0);
	if (!ret) {
		/* mov $2, %eax; ret */
		static const unsigned char code[] = { 0xb8, 2, 0, 0, 0, 0xc3 };
		memcpy((void *)page, code, sizeof(code));
		ret = evil_call(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC, 0, 0, 0);
	}
	evil_end(boot, ret ? ret : call() == 2 ? 0 : -1);
}
