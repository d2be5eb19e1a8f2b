/* SPDX-License-Identifier: MIT */
/*
 * evil_self_mem.c - rewrites its own code through /proc/self/mem, which asks no page table.
 *
 * Room:   tests/fault, hostile. Stopped by: the empty root directory; Landlock.
 */
#include "evil.h"

#include <fcntl.h>
#include <sys/syscall.h>

__attribute__((noinline)) static int changed(void)
{
	int value;

	__asm__ volatile(".globl evil_code\nevil_code: movl $0, %0" : "=r"(value));
	return value;
}

static const char path[] = "/proc/self/mem";

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	static const unsigned char one = 1;
	long at;

	evil_begin(boot);
	__asm__("lea evil_code(%%rip), %0" : "=r"(at));
	long ret = evil_call(SYS_open, EVIL_P(path), O_RDWR, 0, 0, 0, 0);
	if (ret >= 0)
		ret = evil_call(SYS_pwrite64, ret, EVIL_P(&one), 1, at + 1, 0, 0);
	if (ret >= 0)
		ret = changed() ? 0 : -13;
	evil_end(boot, ret);
}
