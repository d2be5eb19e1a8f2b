/* SPDX-License-Identifier: MIT */
/*
 * evil_twice.c - answers a request a second time, so that a later one with its buffer
 * is taken for done.
 *
 * Room:   tests/fault, hostile. Stopped by: a tag is spent when it was answered.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	struct rf_blk_req req = evil_take(&r);
	evil_answer(&r, &req);
	/* The entry is in use again by now, under another tag. */
	(void)evil_take(&r);
	evil_answer(&r, &req);
	evil_serve(&r);
}
