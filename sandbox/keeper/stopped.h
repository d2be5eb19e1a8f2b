/* SPDX-License-Identifier: MIT */
/*
 * stopped.h - processes that a signal has stopped (SIGSTOP, SIGTSTP): their parent hears of it,
 * and whoever does not go on within a moment is ended, so that it is replaced.
 *
 * Room:   sandbox/keeper, two capabilities.
 * Time:   is counted in looks. While all of ringfence is stopped (Ctrl-Z) or frozen, the keeper
 *         takes none, and nobody is blamed for that time.
 */
#ifndef RF_STOPPED_H
#define RF_STOPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RF_STOPPED_LOOK_MS 100
#define RF_STOPPED_LOOKS   10  /* of any process */
/* of a driver: with work to do it is found sooner (hang_detector.h) */
#define RF_STOPPED_DRIVER  100
#define RF_STOPPED_FEW     64
#define RF_STOPPED_MOST    16384 /* they get memory of their own when there are more than a few */

struct rf_stopped {
	struct rf_stopped_one { pid_t pid; unsigned left; } few[RF_STOPPED_FEW], *many;
	unsigned count;
	uint64_t looked_ns;
};

/* `pid` was seen to stop; it may stay stopped for this many looks. */
void rf_stopped_add(struct rf_stopped *, pid_t pid, unsigned looks);
/* It went on, or ended. */
void rf_stopped_remove(struct rf_stopped *, pid_t pid);
/* Milliseconds until the next look; -1: nobody is stopped. */
int rf_stopped_wait_ms(const struct rf_stopped *, uint64_t now_ns);
/* The next process that was stopped for too long; it is removed. 0: none. Call until it returns
 * 0. */
pid_t rf_stopped_due(struct rf_stopped *, uint64_t now_ns);

#endif
