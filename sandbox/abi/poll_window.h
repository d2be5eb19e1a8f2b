/* SPDX-License-Identifier: MIT */
/*
 * poll_window.h - how long is it worth looking again before going to sleep?
 *
 * Room:   sandbox/abi, compiled into both sides of the fence. Nothing here is shared.
 * Unit:   ticks of whatever clock the caller reads: cycles or nanoseconds.
 * Why:    looking again costs processor time, sleeping costs a wake-up of somebody else's and
 *         the way back. Looking pays where waits are shorter than the policy's `spin`, and is
 *         lost where they are longer: before a slow device, or where whoever is waited for
 *         needs the very processor that the looking takes.
 * Rule:   a wait that ended within `most` opens the window wholly, a longer one halves it. A wait
 *         that was slept through seems longer than it was, so every RF_POLL_TRIAL-th closed
 *         window is opened once all the same.
 */
#ifndef RF_POLL_WINDOW_H
#define RF_POLL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define RF_POLL_TRIAL 64u /* a power of two */

struct rf_poll_window {
	uint64_t most;   /* the policy's `spin`; 0: never look again, UINT64_MAX: never sleep */
	uint64_t now;    /* what waits so far made of it */
	uint32_t missed; /* waits in a row that were longer than `most` */
};

static inline void rf_poll_window_open(struct rf_poll_window *w, uint64_t most)
{
	w->most = w->now = most;
	w->missed = 0;
}

/* A wait is over: `waited` ticks from the last work to this. */
static inline void rf_poll_window_learn(struct rf_poll_window *w, uint64_t waited)
{
	if (waited <= w->most) {
		w->now = w->most;
		w->missed = 0;
	} else if (++w->missed & (RF_POLL_TRIAL - 1)) {
		/* What is left of a few halvings is shorter than the looking at the clock. */
		w->now = w->now > w->most >> 3 ? w->now >> 1 : 0;
	} else {
		w->now = w->most;
	}
}

/* After so long without work: look again? */
static inline bool rf_poll_window_lasts(const struct rf_poll_window *w, uint64_t idle)
{
	return idle < w->now;
}

#endif
