/* SPDX-License-Identifier: MIT */
/*
 * evil_records.c - overwrites each request in the ring after it took it: other
 * operation, place and length.
 *
 * Room:   tests/fault, hostile. Stopped by: the service never reads its own records
 *         back.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	struct rf_blk_req *records = (struct rf_blk_req *)(void *)r.req.ring->records;

	for (;;) {
		records[(r.req.own - 1) % RF_BLK_DEPTH] = (struct rf_blk_req){
		    .tag = ~0u,
		    .op = RF_BLK_WRITE,
		    .length = ~0u,
		    .offset = ~0ull,
		    .arena = ~0ull,
		};
		evil_answer(&r, &req);
		req = evil_take(&r);
	}
}
