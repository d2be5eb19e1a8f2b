/* SPDX-License-Identifier: MIT */
/*
 * evil.h - what hostile drivers have in common: raw system calls, and a page to say on
 * how far they came.
 *
 * Room:   tests/fault, hostile. Queue memory is that page: writing to it needs no system
 *         call. What an attack aims at comes in queue[0].param[].
 */
#ifndef EVIL_H
#define EVIL_H

#include "rt.h"

enum evil_stage {
	EVIL_NOT_BEGUN,
	EVIL_BEGAN,
	EVIL_REFUSED, /* the kernel said no: value is the negative errno */
	EVIL_THROUGH, /* the attack succeeded */
};

struct evil_page {
	volatile uint64_t stage;
	volatile int64_t  value;
};

#define EVIL_INLINE static inline __attribute__((always_inline, unused))

EVIL_INLINE struct evil_page *evil_page(const struct rf_boot *boot)
{
	return (struct evil_page *)(uintptr_t)boot->queue[0].mem;
}

EVIL_INLINE long evil_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

EVIL_INLINE void evil_begin(const struct rf_boot *boot)
{
	evil_page(boot)->stage = EVIL_BEGAN;
}

/* Ends the attack: through, unless `ret` is an error. */
EVIL_INLINE _Noreturn void evil_end(const struct rf_boot *boot, long ret)
{
	evil_page(boot)->value = ret;
	evil_page(boot)->stage = ret < 0 && ret > -4096 ? EVIL_REFUSED : EVIL_THROUGH;
	rf_exit(0);
}

#define EVIL_P(pointer) ((long)(uintptr_t)(pointer))

#endif
