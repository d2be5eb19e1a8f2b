/* SPDX-License-Identifier: MIT */
/*
 * evil_nic.c - a network driver that receives and sends nothing, and writes to whatever
 * register it is told to.
 *
 * Room:   tests/fault, hostile.
 * Orders: in its queue memory, where the test puts them: struct order. Distances are from
 *         the start of the page its doorbells are in.
 * Stopped by: the pages it has not got.
 */
#include "evil.h"

struct order {
	volatile uint64_t count; /* written last; each new number is done once */
	volatile int64_t  distance;
	volatile uint64_t value;
	volatile uint64_t done;  /* its count, from here */
};

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct order *o = (struct order *)(uintptr_t)boot->queue[0].mem;
	char *page = (char *)(uintptr_t)(boot->queue[0].regs & ~4095ull);

	for (uint64_t done = 0;; rf_pause()) {
		if (o->count == done)
			continue;
		done = o->count;
		*(volatile uint32_t *)(page + o->distance) = (uint32_t)o->value;
		o->done = done;
	}
}
