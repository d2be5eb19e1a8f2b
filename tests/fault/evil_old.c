/* SPDX-License-Identifier: MIT */
/*
 * evil_old.c - answers under the generation before its own.
 *
 * Room:   tests/fault, hostile. Stopped by: answers carry the generation.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_put(&r, req.tag, req.generation - 1, 0);
	evil_publish(&r);
	evil_serve(&r);
}
