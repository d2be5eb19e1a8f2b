/* SPDX-License-Identifier: MIT */
/*
 * notice.h - what happened to a driver since somebody asked last: found by comparing, so that
 * nothing on the way of a death has to tell it.
 *
 * Room:   sandbox/session, trusted; shared by the block and the net engine.
 */
#ifndef RF_NOTICE_H
#define RF_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "driver_number.h"
#include "ringfence.h"
#include "stats.h"

/* What was told so far of one queue: nothing, if all is 0 but since_ns and a generation that
 * stands for none (driver_number.h). */
struct rf_notices {
	uint64_t since_ns; /* deaths before that are no news */
	uint32_t generation, losses;
	bool     up, gone;
	uint64_t down_ns; /* of the death of this generation's predecessor; 0: there was none */
};

/* How things are. */
struct rf_notice_now {
	uint32_t generation, losses;
	uint32_t step; /* from a driver's number to its successor's: queues of the device */
	bool     up, gone;
	bool     frames; /* are not reissued: those under way at a death are lost */
	uint64_t now_ns;
	const struct rf_recovery_service *log; /* [generation % RF_STATS_LOG] */
};

/* The next notice; false: all was told. */
bool rf_notice_next(struct rf_notices *, const struct rf_notice_now *, struct rf_notice *);

#endif
