/* SPDX-License-Identifier: MIT */
/*
 * lived.h - how long has a device not answered, in time in which it could have?
 *
 * Room:   sandbox/session, trusted.
 * Clock:  the time this process was let run. What two looks are far apart it had no processor:
 *         nor may a device in software have had one, or the whole machine stood still. Such a
 *         gap counts for two looks, so that no stall is found before there were eight of them.
 */
#ifndef RF_LIVED_H
#define RF_LIVED_H

#include <stdbool.h>
#include <stdint.h>

#define RF_LIVED_TURNS 16u /* of a deadline: so often is near enough */

struct rf_lived {
	uint64_t looked_ns;
	uint64_t ns; /* sum of the times between two looks, long ones cut */
};

/* To be asked whenever there is time. True: a turn of `deadline_ns` went by since the last one. */
static inline bool rf_lived_turn(struct rf_lived *l, uint64_t now, uint64_t deadline_ns)
{
	uint64_t turn = deadline_ns / RF_LIVED_TURNS, apart = now - l->looked_ns;

	if (apart < turn)
		return false;
	l->looked_ns = now;
	l->ns += apart < 2 * turn ? apart : 2 * turn;
	return true;
}

#endif
