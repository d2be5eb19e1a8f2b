/* SPDX-License-Identifier: MIT */
/*
 * evil_tail.c - sets the index of its answers to param[0] from where it should be:
 * ahead, or back.
 *
 * Room:   tests/fault, hostile. Stopped by: the index is checked against what can be.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_answer(&r, &req);
	/* Only once the service has taken it would an index that goes back be believed. */
	while (atomic_load_explicit(&r.resp.ring->head, memory_order_acquire) != r.resp.own)
		rf_pause();
	req = evil_take(&r);
	r.resp.own += (uint32_t)boot->queue[0].param[0];
	evil_publish(&r);
	for (uint64_t until = rf_tsc() + 10000000; rf_tsc() < until;)
		rf_pause();
	evil_serve(&r);
}
