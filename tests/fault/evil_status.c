/* SPDX-License-Identifier: MIT */
/*
 * evil_status.c - answers with status param[0], which no driver may give.
 *
 * Room:   tests/fault, hostile. Stopped by: the list of statuses.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_put(&r, req.tag, req.generation, (int32_t)boot->queue[0].param[0]);
	evil_publish(&r);
	evil_serve(&r);
}
