/* SPDX-License-Identifier: MIT */
/*
 * evil_call.c - makes one system call: number param[0], by `syscall` or by int 0x80
 * (param[1]), as its first act or after it has worked for a while (param[2]), with
 * param[3] as first argument and zeroes behind.
 *
 * Room:   tests/fault, hostile. Stopped by: the filter, on every entry.
 */
#include "evil.h"

#define PARAM(n) (offsetof(struct rf_boot, queue[0].param) + 8 * (n))
_Static_assert(PARAM(0) == 192, "the entry below knows where param[] is");

_Noreturn void evil_later(const struct rf_boot *boot);
_Noreturn void evil_done(const struct rf_boot *boot, long ret);

_Noreturn void evil_done(const struct rf_boot *boot, long ret)
{
	/* That it came back at all is the success, whatever it said. */
	evil_page(boot)->value = ret;
	evil_page(boot)->stage = EVIL_THROUGH;
	rf_exit(0);
}

/* Straight from the trampoline: no instruction of the runtime has run. */
__asm__(".globl rf_driver_start\n"
	".type rf_driver_start, @function\n"
	".section .text.rf_driver_start, \"ax\", @progbits\n"
	"rf_driver_start:\n\t"
	"cmpq $0, 208(%rdi)\n\t"
	"jne evil_later\n"
	"evil_now:\n\t"
	"mov %rdi, %r15\n\t"
	"mov 192(%r15), %rax\n\t"
	"mov 216(%r15), %rdi\n\t"
	"mov %rdi, %rbx\n\t"
	"xor %esi, %esi\n\txor %edx, %edx\n\txor %r10d, %r10d\n\txor %r8d, %r8d\n\t"
	"xor %r9d, %r9d\n\txor %ecx, %ecx\n\txor %ebp, %ebp\n\t"
	"cmpq $0, 200(%r15)\n\t"
	"jne 1f\n\t"
	"syscall\n\t"
	"jmp 2f\n\t"
	"1: int $0x80\n\t"
	"2: mov %rax, %rsi\n\t"
	"mov %r15, %rdi\n\t"
	"and $-16, %rsp\n\t"
	"call evil_done\n\t"
	".previous");

void evil_now(const struct rf_boot *boot);

/* After calls that are allowed: a filter does not wear off. */
_Noreturn void evil_later(const struct rf_boot *boot)
{
	for (int i = 0; i < 3; i++)
		rf_kick();
	evil_begin(boot);
	evil_now(boot);
	__builtin_unreachable();
}
