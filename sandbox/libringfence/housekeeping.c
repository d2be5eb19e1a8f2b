/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.c - the clock behind housekeeping.h.
 *
 * Room:   sandbox/libringfence, trusted.
 */
#include "clock.h"
#include "housekeeping.h"

#define IDLE_NS 2000000u  /* as often as a driver that was kicked is looked at */
#define BUSY_NS 10000000u /* a driver that answers is alive; messages can wait so long */

bool rf_housekeeping_look(struct rf_housekeeping *h)
{
	uint64_t now = rf_now_ns(), pause = h->worked ? BUSY_NS : IDLE_NS;

	h->weight = 0;
	h->worked = false;
	if (now - h->done_ns < pause)
		return false;
	h->done_ns = now;
	return true;
}
