/* SPDX-License-Identifier: MIT */
/*
 * doorbell.c - how a locked driver rings its doorbells. README.md has the reasons.
 *
 * Room:   sandbox/device.
 */
#include <errno.h>

#include "boot.h"
#include "device.h"
#include "log.h"

int doorbell_open(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;
	uint64_t page = b->submit & ~(uint64_t)(RF_PAGE - 1);
	uint64_t last = (b->submit > b->complete ? b->submit : b->complete) + 4;

	b->road = RF_ROAD_NONE;
	b->event = b->fd = b->sleep_fd = -1;
	b->asleep = ~0ull;
	b->bytes = ((last + RF_PAGE - 1) & ~(uint64_t)(RF_PAGE - 1)) - page;
	b->regs = b->submit - page;
	if (last > d->bar[b->bar].bytes) {
		rf_log("%s: BAR %u has %llu bytes, and its doorbells need %llu", d->label, b->bar,
		       (unsigned long long)d->bar[b->bar].bytes, (unsigned long long)last);
		return -EIO;
	}
	if (d->backend->doorbell && d->backend->doorbell(d))
		return -EIO;
	if (b->road != RF_ROAD_NONE)
		return 0;
	if (!bar_window_ok(d, b->bar, page, b->bytes)) {
		rf_log("%s: its doorbells at %#llx of BAR %u cannot be given to a driver", d->label,
		       (unsigned long long)page, b->bar);
		return -EIO;
	}
	b->road = RF_ROAD_PAGE;
	b->fd = d->backend->bar_fd(d, b->bar, page, b->bytes, &b->at);
	return 0;
}
