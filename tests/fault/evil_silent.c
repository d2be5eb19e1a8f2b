/* SPDX-License-Identifier: MIT */
/*
 * evil_silent.c - takes requests and never answers, with a heartbeat as if it worked.
 *
 * Room:   tests/fault, hostile. Stopped by: the age of a request, which no heartbeat
 *         changes.
 */
#include "evil.h"

#include "evil_ring.h"

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	(void)evil_take(&r);
	for (uint64_t beat = 0;; beat++) {
		atomic_store_explicit(&r.chan->heartbeat, beat, memory_order_relaxed);
		rf_pause();
	}
}
