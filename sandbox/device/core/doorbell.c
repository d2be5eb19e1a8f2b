/* SPDX-License-Identifier: MIT */
/*
 * doorbell.c - how a locked driver rings its doorbells. README.md has the reasons.
 *
 * Room:   sandbox/device/core.
 * Trust:  where they are is the device's word: in any order, any distance apart.
 */
#include <errno.h>

#include "boot.h"
#include "device.h"
#include "log.h"
#include "range.h"

/* Finds the pages of the BAR that hold the doorbells of all queues. */
static int find_pages(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;
	uint64_t low = b->submit < b->complete ? b->submit : b->complete;
	uint64_t high = (b->submit < b->complete ? b->complete : b->submit) +
			(b->queues ? (uint64_t)(b->queues - 1) * b->step : 0);
	uint32_t width = b->edge ? 2 : 4;

	if (!rf_range_within(high, width, d->bar[b->bar].bytes)) {
		rf_log("%s: BAR %u has %llu bytes, too few for its doorbell at %#llx", d->label,
		       b->bar, (unsigned long long)d->bar[b->bar].bytes, (unsigned long long)high);
		return -EIO;
	}
	if (!rf_range_pages(low, high - low + width, RF_PAGE, &b->page, &b->bytes) ||
	    b->bytes > RF_DOORBELL_BYTES || low % width || high % width) {
		rf_log("%s: its doorbells at %#llx and %#llx are too far apart, or at no multiple "
		       "of %u",
		       d->label, (unsigned long long)low, (unsigned long long)high, width);
		return -EIO;
	}
	b->regs = b->submit - b->page;
	return 0;
}

int doorbell_open(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;

	b->mode = RF_DOORBELL_NONE;
	b->event = b->fd = b->sleep_fd = -1;
	b->asleep = ~0ull;
	if (find_pages(d) || (d->backend->doorbell && d->backend->doorbell(d)))
		return -EIO;
	if (b->mode != RF_DOORBELL_NONE)
		return 0;
	if (!bar_window_ok(d, b->bar, b->page, b->bytes)) {
		rf_log("%s: its doorbells at %#llx of BAR %u cannot be given to a driver", d->label,
		       (unsigned long long)b->page, b->bar);
		return -EIO;
	}
	b->mode = RF_DOORBELL_PAGE;
	b->fd = d->backend->bar_fd(d, b->bar, b->page, b->bytes, &b->at);
	return 0;
}
