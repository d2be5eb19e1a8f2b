/* SPDX-License-Identifier: MIT */
/*
 * evil_flip.c - rewrites the fields of its answers for as long as they may be read,
 * good and bad by turns.
 *
 * Room:   tests/fault, hostile. Stopped by: an answer is copied before it is looked at.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	struct rf_blk_resp *records = (struct rf_blk_resp *)(void *)r.resp.ring->records;

	for (;;) {
		struct rf_blk_resp *at = &records[r.resp.own % RF_BLK_DEPTH];
		uint64_t until = rf_tsc() + 1200000;

		evil_answer(&r, &req);
		/* Long enough for a first look, too short for a late second one. */
		while (rf_tsc() < until)
			rf_pause();
		*(volatile int32_t *)&at->status = 0x7fff;
		*(volatile uint32_t *)&at->tag = ~req.tag;
		req = evil_take(&r);
	}
}
