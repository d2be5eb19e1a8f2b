/* SPDX-License-Identifier: MIT */
/*
 * trampoline.c - see trampoline.h.
 *
 * Room:   sandbox/launch, trusted. All code of this file is in the section
 *         rf_trampoline, which fills whole pages; it calls nothing outside of it and
 *         reads only the plan.
 */
#include "trampoline.h"

#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "launch.h"

#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#define ARCH_SET_FS_CODE 0x1002
#define EINTR_CODE       4

#define IN_TRAMPOLINE __attribute__((section("rf_trampoline"), no_stack_protector, no_reorder))
#define IN_INLINE static inline __attribute__((always_inline, no_stack_protector))

IN_INLINE long tramp_call(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

IN_INLINE _Noreturn void tramp_exit(int code)
{
	for (;;)
		tramp_call(__NR_exit_group, (uint64_t)code, 0, 0);
}

/* Unmaps what lies between the kept ranges: text, data, heap, stack, vdso, vvar. */
IN_INLINE void tramp_unmap(const struct rf_trampoline_plan *plan)
{
	uint64_t from = 0;

	for (uint64_t i = 0; i <= plan->keep_count; i++) {
		uint64_t to = i < plan->keep_count ? plan->keep[i].start : RF_USER_END;

		if (to > from && tramp_call(__NR_munmap, from, to - from, 0)) {
			/* The alarm ends this process if nobody reads the log. */
			tramp_call(__NR_alarm, 1, 0, 0);
			tramp_call(__NR_write, RF_LAUNCH_FD_LOG,
				  (uint64_t)(uintptr_t)plan->unmap_failed, plan->unmap_failed_len);
			tramp_exit(RF_LAUNCH_SYSTEM);
		}
		if (i < plan->keep_count)
			from = plan->keep[i].end;
	}
}

IN_INLINE void tramp_lock(const struct rf_trampoline_plan *plan)
{
	if (tramp_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (uint64_t)(uintptr_t)&plan->prog))
		tramp_exit(RF_LAUNCH_NO_FILTER);
}

/* Closes all descriptors from first_fd on, the log among them. Then no file may grow: before,
 * the log could be one. */
IN_INLINE void tramp_shut(const struct rf_trampoline_plan *plan, uint64_t first_fd)
{
	tramp_call(__NR_close_range, first_fd, ~0u, 0);
	tramp_call(__NR_setrlimit, RLIMIT_FSIZE, (uint64_t)(uintptr_t)plan->no_limit, 0);
}

/* A standby driver waits here until boot->go names its generation; no instruction of its image
 * has run. It is locked, unless its list has no read to wait by. */
IN_INLINE void tramp_wait(const struct rf_trampoline_plan *plan)
{
	uint64_t count;

	while (atomic_load_explicit(&plan->boot->go, memory_order_acquire) != plan->generation) {
		long got = tramp_call(__NR_read, RF_FD_WAKE, (uint64_t)(uintptr_t)&count,
				     sizeof(count));

		if (got != (long)sizeof(count) && got != -EINTR_CODE)
			tramp_exit(RF_LAUNCH_SYSTEM);
	}
}

/* Wipes what the launcher left on the stack and in registers, and jumps to the image's entry. */
IN_INLINE _Noreturn void tramp_jump(const struct rf_trampoline_plan *plan)
{
	register uint64_t top __asm__("r8") = plan->stack_top;
	register uint64_t boot __asm__("r9") = (uint64_t)(uintptr_t)plan->boot;
	register uint64_t entry __asm__("r11") = plan->entry;

	__asm__ volatile("cld\n\t"
			 "rep stosb\n\t"
			 /* as if called: a return address of 0 below a 16-byte boundary */
			 "lea -8(%%r8), %%rsp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "xor %%eax, %%eax\n\txor %%ebx, %%ebx\n\txor %%ecx, %%ecx\n\t"
			 "xor %%edx, %%edx\n\txor %%esi, %%esi\n\txor %%ebp, %%ebp\n\t"
			 "xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\t"
			 "xor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\txor %%r14d, %%r14d\n\t"
			 "xor %%r15d, %%r15d\n\t"
			 ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
			 "pxor %%xmm\\n, %%xmm\\n\n\t"
			 ".endr\n\t"
			 "jmp *%%r11\n\t"
			 :
			 : "D"(plan->wipe_start), "c"(plan->stack_top - plan->wipe_start), "a"(0),
			   "r"(top), "r"(boot), "r"(entry)
			 : "memory");
	__builtin_unreachable();
}

IN_TRAMPOLINE __attribute__((aligned(4096))) _Noreturn void
rf_trampoline_run(const struct rf_trampoline_plan *plan)
{
	tramp_unmap(plan);
	tramp_call(__NR_arch_prctl, ARCH_SET_FS_CODE, plan->thread, 0);
	tramp_shut(plan, plan->first_closed_fd);
	if (!plan->lock_last)
		tramp_lock(plan);
	tramp_wait(plan);
	if (plan->lock_last) {
		tramp_shut(plan, 0);
		tramp_lock(plan);
	}
	tramp_jump(plan);
}

/* Fill the page, so that nothing else of the launcher shares it. */
__asm__(".pushsection rf_trampoline, \"ax\", @progbits\n\t"
	".balign 4096, 0xcc\n\t"
	".popsection");
