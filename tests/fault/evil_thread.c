/* SPDX-License-Identifier: MIT */
/*
 * evil_thread.c - starts a thread.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of processes.
 */
#include "evil.h"

#include <sys/syscall.h>

static char stack[4096] __attribute__((aligned(16)));

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	/* The thread has a stack of its own and at once ends only itself. */
	long ret;
	__asm__ volatile("xor %%r10d, %%r10d\n\txor %%r8d, %%r8d\n\tsyscall\n\t"
			 "test %%eax, %%eax\n\tjnz 1f\n\t"
			 "mov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n\t1:"
			 : "=a"(ret)
			 : "0"((long)SYS_clone), "D"(0x10f00l /* VM FS FILES SIGHAND THREAD */),
			   "S"(stack + sizeof(stack)), "d"(0l)
			 : "rcx", "r8", "r10", "r11", "memory");
	evil_end(boot, ret);
}
