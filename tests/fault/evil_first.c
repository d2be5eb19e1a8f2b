/* SPDX-License-Identifier: MIT */
/*
 * evil_first.c - makes a forbidden system call, getpid, as its very first
 * instructions. If that works it says so on the kick eventfd and exits with 0.
 *
 * Room:   tests/fault, hostile. Stopped by: the filter stands before the image runs.
 */
#include "rt.h"

_Noreturn void evil_main(void);
_Noreturn void evil_main(void)
{
	rf_kick();
	rf_exit(0);
}

__asm__(".globl rf_driver_start\n"
	".type rf_driver_start, @function\n"
	".section .text.rf_driver_start, \"ax\", @progbits\n"
	"rf_driver_start:\n\t"
	"mov $39, %eax\n\t"
	"syscall\n\t"
	"jmp evil_main\n\t"
	".previous");
