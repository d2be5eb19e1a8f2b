/* SPDX-License-Identifier: MIT */
/*
 * evil_sigreturn.c - forges a signal frame, to load every register at once.
 *
 * Room:   tests/fault, hostile. Stopped by: rt_sigreturn is not on the list.
 */
#include "evil.h"

#include <sys/syscall.h>

static void landed(void);

static const struct rf_boot *volatile saved;

/* struct rt_sigframe after the return address: ucontext with r8..gs, see the kernel's
 * uapi/asm/sigcontext.h. */
struct frame {
	uint64_t flags, link, stack[3];
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
	uint64_t mask;
	char siginfo[128];
};

static char room[65536] __attribute__((aligned(16)));

static void landed(void)
{
	evil_end(saved, 0);
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	static struct frame f;

	evil_begin(boot);
	saved = boot;
	f.sp = (uint64_t)(uintptr_t)(room + sizeof(room) - 8);
	f.ip = (uint64_t)(uintptr_t)landed;
	f.eflags = 0x202;
	f.cs = 0x33;
	f.ss = 0x2b;
	__asm__ volatile("mov %0, %%rsp\n\tsyscall"
			 :
			 : "r"(&f), "a"((long)SYS_rt_sigreturn)
			 : "memory");
	__builtin_trap();
}
