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

/* So many failures of a device server cost nothing, and one more after each such time. */
#define BUDGET_FREE    64u
#define BUDGET_EACH_NS 500000000ull

/* The last death of one kind of process, or its first start. */
struct budget {
	uint64_t completed;
	uint64_t at_ns;
};

/* Records a death. True: it was in vain. `completed`: requests done so far; where that is a
 * constant, only time counts. */
static inline bool budget_in_vain(struct budget *b, uint64_t completed, uint64_t now)
{
	bool vain = completed == b->completed && now - b->at_ns < BUDGET_FAR_NS;

	*b = (struct budget){ .completed = completed, .at_ns = now };
	return vain;
}

/*
 * A failure that is not in vain still costs the host a process and some lines of the log, and the
 * server chooses how often it fails. Returns until when the successor has to wait; 0: it need not.
 */
static inline uint64_t budget_rest(uint64_t *spent_ns, uint64_t now)
{
	const uint64_t free_ns = BUDGET_FREE * BUDGET_EACH_NS;

	*spent_ns = (*spent_ns > now ? *spent_ns : now) + BUDGET_EACH_NS;
	return *spent_ns - now > free_ns ? *spent_ns - free_ns : 0;
}

#endif
