/* SPDX-License-Identifier: MIT */
/*
 * evil_fd.c - reads from the eventfd it may only write: an allowed system call
 * with a forbidden argument. Says on the kick eventfd if it got away with it.
 *
 * Room:   tests/fault, hostile. Stopped by: arguments pinned in the filter.
 */
#include "rt.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	uint64_t value = 0;
	long     got;

	(void)boot;
	rf_kick();
	__asm__ volatile("syscall"
			 : "=a"(got)
			 : "0"(0l), "D"((long)RF_FD_KICK), "S"(&value), "d"(sizeof(value))
			 : "rcx", "r11", "memory");
	rf_kick();
	rf_exit(0);
}
