/* SPDX-License-Identifier: MIT */
/*
 * budget.h - which deaths count toward back-off and quarantine: those in vain.
 *
 * Room:   sandbox/supervisor, no privilege. The same for drivers, device processes, exports,
 *         device servers.
 * Rule:   a death is in vain if nothing was completed since the one before, and that was not
 *         long ago. A disk that nobody uses completes nothing: deaths far apart say nothing
 *         about it, and cost nobody anything.
 */
#ifndef RF_BUDGET_H
#define RF_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_FAR_NS 60000000000ull

/* The last death of one kind of process; or its start, with nothing completed. */
struct budget {
	uint64_t completed;
	uint64_t at_ns;
};

/* Another death, now. `completed`: requests done so far; a constant: only time counts. */
static inline bool budget_in_vain(struct budget *b, uint64_t completed, uint64_t now)
{
	bool vain = completed == b->completed && now - b->at_ns < BUDGET_FAR_NS;

	*b = (struct budget){ .completed = completed, .at_ns = now };
	return vain;
}

#endif
