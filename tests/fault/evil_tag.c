/* SPDX-License-Identifier: MIT */
/*
 * evil_tag.c - answers under tag param[0], which nobody gave it.
 *
 * Room:   tests/fault, hostile. Stopped by: tags are looked up in a table it cannot
 *         see.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_put(&r, (uint32_t)boot->queue[0].param[0], req.generation, 0);
	evil_publish(&r);
	evil_serve(&r);
}
