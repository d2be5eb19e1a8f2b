/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.c - the clock behind housekeeping.h.
 *
 * Room:   sandbox/libringfence, trusted.
 */
#include "clock.h"
#include "housekeeping.h"

#define HOUSEKEEPING_NS 2000000u /* as often as a driver that was kicked is looked at */

bool rf_housekeeping_look(struct rf_housekeeping *h)
{
	uint64_t now = rf_now_ns();

	h->weight = 0;
	if (now - h->done_ns < HOUSEKEEPING_NS)
		return false;
	h->done_ns = now;
	return true;
}
