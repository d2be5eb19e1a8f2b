/* SPDX-License-Identifier: MIT */
/*
 * bar.c - what of a device's BARs may be mapped or touched, whatever the back end.
 *
 * Room:   sandbox/device/core.
 * Trust:  sizes come from the device: every access is checked against them here.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "log.h"
#include "range.h"

static bool bar_inside(const struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	return bar <= 5 && rf_range_within(offset, bytes, d->bar[bar].bytes);
}

bool bar_window_ok(struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	uint64_t at;

	if (offset % RF_PAGE || bytes % RF_PAGE || !bytes || !bar_inside(d, bar, offset, bytes) ||
	    d->backend->bar_fd(d, bar, offset, bytes, &at) < 0)
		return false;
	return !(bar == d->msix_table_bar &&
		 rf_range_meets(offset, bytes, d->msix_table, d->msix_table_end - d->msix_table)) &&
	       !(bar == d->msix_pba_bar &&
		 rf_range_meets(offset, bytes, d->msix_pba, d->msix_pba_end - d->msix_pba));
}

/* Registers for this process. A page that is another process's memory is not mapped, since that
 * process could shrink it: then registers are reached by messages. */
int bar_open_regs(struct rf_device *d, struct rf_regs *r, uint32_t bar, uint64_t offset)
{
	uint64_t at;

	*r = (struct rf_regs){ .bar = bar, .offset = offset };
	if (!bar_inside(d, bar, offset, RF_PAGE)) {
		rf_log("%s: BAR %u has %llu bytes, too few for registers up to %#llx", d->label,
		       bar, (unsigned long long)d->bar[bar].bytes,
		       (unsigned long long)offset + RF_PAGE);
		return -EIO;
	}
	if (d->user)
		return 0;
	if (!bar_window_ok(d, bar, offset, RF_PAGE)) {
		rf_log("%s: BAR %u cannot be mapped at %#llx (the MSI-X table is there?)", d->label,
		       bar, (unsigned long long)offset);
		return -EIO;
	}
	int fd = d->backend->bar_fd(d, bar, offset, RF_PAGE, &at);
	void *p = mmap(NULL, RF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);
	if (p == MAP_FAILED) {
		rf_log("%s: cannot map BAR %u: %s", d->label, bar, strerror(errno));
		return -EIO;
	}
	r->map = p;
	return 0;
}

uint32_t reg_read32(struct rf_device *d, const struct rf_regs *r, uint32_t at)
{
	uint32_t value;

	RF_BUG_ON(at > RF_PAGE - 4 || at % 4);
	if (r->map)
		return *(volatile uint32_t *)(r->map + at);
	return bar_read(d, r->bar, r->offset + at, &value, 4) ? ~0u : value;
}

void reg_write32(struct rf_device *d, const struct rf_regs *r, uint32_t at, uint32_t value)
{
	RF_BUG_ON(at > RF_PAGE - 4 || at % 4);
	if (r->map)
		*(volatile uint32_t *)(r->map + at) = value;
	else
		(void)bar_write(d, r->bar, r->offset + at, &value, 4);
}

int bar_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to, uint32_t bytes)
{
	return bar_inside(d, bar, offset, bytes) ? d->backend->bar_read(d, bar, offset, to, bytes)
						 : -EINVAL;
}

int bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes)
{
	return bar_inside(d, bar, offset, bytes)
		       ? d->backend->bar_write(d, bar, offset, from, bytes)
		       : -EINVAL;
}
