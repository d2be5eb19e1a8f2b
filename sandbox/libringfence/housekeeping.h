/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.h - when does a program that has work all the time look at its messages and its
 * driver?
 *
 * Room:   sandbox/libringfence, trusted. Public: ringfence.h includes it.
 * Why:    the supervisor asks each export whether it still takes messages, and replaces one that
 *         used 2 s of processor time without an answer. A loop that counts its turns and looks
 *         after so many answers in time only where turns are short: in an emulator, or on a
 *         processor that somebody else has most of, a turn takes a hundred times as long.
 *         So this goes by the clock, and turns say only how often that is worth reading.
 */
#ifndef RF_HOUSEKEEPING_H
#define RF_HOUSEKEEPING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a turn weighs; the clock is read once they come to RF_TURN_CLOCK. */
enum rf_turn_weight {
	RF_TURN_EMPTY = 1,    /* a look at rings where nothing is */
	RF_TURN_BATCH = 64,   /* a batch of records */
	RF_TURN_CALLS = 512,  /* a batch that takes system calls */
	RF_TURN_LONG = 4096,  /* a look at every byte of it */
	RF_TURN_CLOCK = 4096
};

/* Zeroes to begin with. */
struct rf_housekeeping {
	uint64_t done_ns;
	uint32_t weight;
	bool     worked; /* not all turns since the clock was read were empty */
};

/* Reads the clock: true, at most once in 2 ms while nothing comes: something may have happened to
 * the driver. Once in 10 ms while answers do come. */
bool rf_housekeeping_look(struct rf_housekeeping *);

/* To be asked every turn. True: call rf_blk_control() and rf_blk_tick(), or those of rf_net,
 * now; the next time counts from here. */
static inline bool rf_housekeeping_due(struct rf_housekeeping *h, enum rf_turn_weight weight)
{
	h->weight += (uint32_t)weight;
	if (weight != RF_TURN_EMPTY)
		h->worked = true;
	return __builtin_expect(h->weight >= RF_TURN_CLOCK, 0) && rf_housekeeping_look(h);
}

#ifdef __cplusplus
}
#endif

#endif
