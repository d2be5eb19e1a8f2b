/* SPDX-License-Identifier: MIT */
/*
 * evil_head.c - serves, with the index of the requests it took always param[0] from where
 * it should be.
 *
 * Room:   tests/fault, hostile. Stopped by: the service never reads that index.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	for (;;) {
		struct rf_blk_req req = evil_take(&r);
		uint32_t own = r.req.own;

		r.req.own += (uint32_t)boot->queue[0].param[0];
		rf_ring_release(&r.req);
		r.req.own = own;
		evil_answer(&r, &req);
	}
}
