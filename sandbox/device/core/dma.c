/* SPDX-License-Identifier: MIT */
/*
 * dma.c - what the device may address: decided once, the same for every back end.
 *
 * Room:   sandbox/device/core.
 */
#include "device.h"
#include "log.h"

#define HOLE (2ull << 20)

/*
 * Data arena, queue memory (both halves of each queue), and the admin plane's pages, of which the
 * first (the admin submission queue) is read-only for the device. A hole of 2 MiB lies
 * between the parts.
 */
int dma_map_all(struct rf_device *d)
{
	const struct rf_backend_ops *b = d->backend;
	uint64_t queues = rf_queue_memory(&d->cfg);
	uint64_t total = d->cfg.arena_bytes + queues + RF_ADMIN_BYTES + 4 * HOLE;
	int err;

	d->iova = b->pick_iova(d, d->cfg.iova ? d->cfg.iova : 1ull << 32, total);
	if (!d->iova)
		d->iova = b->pick_iova(d, HOLE, total);
	if (!d->iova) {
		rf_log("%s: the device's address space has no room for an arena of %llu MiB",
		       d->label, (unsigned long long)d->cfg.arena_bytes >> 20);
		return RF_EXIT_SYSTEM;
	}
	d->queues_iova = (d->iova + d->cfg.arena_bytes + 2 * HOLE - 1) & ~(HOLE - 1);
	d->admin_iova = (d->queues_iova + queues + 2 * HOLE - 1) & ~(HOLE - 1);
	if ((err = b->map_dma(d, RF_DEVICE_FD_DATA, 0, d->data, d->iova, d->cfg.arena_bytes,
			      true)) ||
	    (err = b->map_dma(d, RF_DEVICE_FD_QUEUES, 0, d->queues, d->queues_iova, queues,
			      true)) ||
	    (err = b->map_dma(d, RF_DEVICE_FD_ADMIN, 0, d->admin, d->admin_iova, RF_PAGE,
			      false)))
		return err;
	return b->map_dma(d, RF_DEVICE_FD_ADMIN, RF_PAGE, (char *)d->admin + RF_PAGE,
			  d->admin_iova + RF_PAGE, RF_ADMIN_BYTES - RF_PAGE, true);
}
