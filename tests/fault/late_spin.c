/* SPDX-License-Identifier: MIT */
/*
 * late_spin.c - answers 1,000 requests, then spins.
 *
 * Room:   tests/fault, hostile. Stopped by: its own processor time, which the supervisor counts.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	for (uint64_t served = 1; served <= 1000; served++) {
		struct rf_blk_req req = evil_take(&r);

		evil_answer(&r, &req);
		atomic_store_explicit(&r.chan->heartbeat, served, memory_order_relaxed);
	}
	for (;;)
		rf_pause();
}
