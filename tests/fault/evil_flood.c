/* SPDX-License-Identifier: MIT */
/*
 * evil_flood.c - publishes more answers than were asked for, all of them well-formed.
 *
 * Room:   tests/fault, hostile. Stopped by: at most the requests in flight have a tag.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	for (unsigned i = 0; i < RF_BLK_DEPTH; i++)
		evil_put(&r, req.tag, req.generation, 0);
	evil_publish(&r);
	evil_serve(&r);
}
