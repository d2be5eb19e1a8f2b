/* SPDX-License-Identifier: MIT */
/*
 * evil_forks.c - fills the machine with processes, each of which only takes the processor.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of processes of its control group.
 */
#include "evil.h"

#include <sys/syscall.h>

#define MANY 32

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	for (int i = 0; i < MANY; i++) {
		long pid = evil_call(SYS_fork, 0, 0, 0, 0, 0, 0);

		if (pid < 0) {
			evil_page(boot)->value = pid;
			evil_page(boot)->stage = EVIL_REFUSED;
			break;
		}
		if (!pid) {
			/* Not in the way of those that are still to come. */
			while (evil_page(boot)->stage == EVIL_BEGAN)
				evil_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
			break;
		}
		if (i == MANY - 1) {
			evil_page(boot)->value = MANY;
			evil_page(boot)->stage = EVIL_THROUGH;
		}
	}
	for (;;)
		rf_pause();
}
