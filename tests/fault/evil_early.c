/* SPDX-License-Identifier: MIT */
/*
 * evil_early.c - answers requests that were not made yet: the tag that comes next.
 *
 * Room:   tests/fault, hostile. Stopped by: a tag has a serial number and a table entry
 *         that says whether it is in flight.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_put(&r, req.tag + 0x10000, req.generation, 0);
	evil_publish(&r);
	evil_serve(&r);
}
