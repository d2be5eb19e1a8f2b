/* SPDX-License-Identifier: MIT */
/*
 * evil_asleep.c - claims to be asleep, and that the service is not, all the time.
 *
 * Room:   tests/fault, hostile. Stopped by: these words only say who wants to be woken.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	for (;;) {
		atomic_store_explicit(&r.req.ring->asleep, 0xffffffffu, memory_order_relaxed);
		atomic_store_explicit(&r.resp.ring->asleep, 0, memory_order_relaxed);
		evil_answer(&r, &req);
		req = evil_take(&r);
	}
}
