/* SPDX-License-Identifier: MIT */
/*
 * evil_slow.c - answers one request of many a while before each would be late, for
 * ever.
 *
 * Room:   tests/fault, hostile. Stopped by: nothing: it is slow, which a budget of time
 *         could name; no request is lost.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	for (;;) {
		uint64_t until = rf_tsc() + boot->queue[0].param[0];

		while (rf_tsc() < until)
			rf_pause();
		evil_answer(&r, &req);
		req = evil_take(&r);
	}
}
