/* SPDX-License-Identifier: MIT */
/*
 * wait.h - one system call for all that waits: for descriptors, for time, or for both.
 *
 * Room:   sandbox/lib, trusted. ppoll alone is on its users' lists: poll would go on after a
 *         SIGSTOP or a freezer as restart_syscall.
 */
#ifndef RF_WAIT_H
#define RF_WAIT_H

#include <poll.h>
#include <stdint.h>
#include <time.h>

/* As poll(): `ms` below 0 is for ever. */
static inline int rf_wait_fds(struct pollfd *p, unsigned count, int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	return ppoll(p, count, ms < 0 ? NULL : &t, NULL);
}

/* Less than a second. A signal may cut it short. */
static inline void rf_sleep_ns(uint32_t ns)
{
	struct timespec t = { .tv_nsec = ns };

	(void)ppoll(NULL, 0, &t, NULL);
}

#endif
