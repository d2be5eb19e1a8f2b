/* SPDX-License-Identifier: MIT */
/*
 * lax_device.c - the device process without what stops attacks by DMA and by registers: the
 * positive controls of tests/guest/attack_*.sh. Not part of any product.
 *
 * Room:   tests/attacks. Takes the place of dma.c and doorbell.c in rf-device.
 * Lacks:  exact DMA maps (boot records, which no device may touch, lie on both sides of
 *         each part), and exact register windows (the doorbells come with the whole BAR
 *         they are in). attacks.mk takes the poison out of the admin queue.
 */
#include "device.h"

#define dma_map_all honest_map
int honest_map(struct rf_device *);
#include "../../sandbox/device/core/dma.c"
#undef dma_map_all
#define doorbell_open honest_doorbell
int honest_doorbell(struct rf_device *);
#include "../../sandbox/device/core/doorbell.c"
#undef doorbell_open

#define BOOTS   (2 * RF_PAGE)

/* Both boot records, right before this address and right behind it. */
static int map_neighbours(struct rf_device *d, uint64_t first, uint64_t end)
{
	const struct rf_backend_ops *b = d->backend;
	int err = b->map_dma(d, RF_DEVICE_FD_BOOT, 0, d->boot[0], first - BOOTS, BOOTS, true);

	return err ? err : b->map_dma(d, RF_DEVICE_FD_BOOT, 0, d->boot[0], end, BOOTS, true);
}

int dma_map_all(struct rf_device *d)
{
	int err = honest_map(d);

	if (err || (err = map_neighbours(d, d->iova, d->iova + d->cfg.arena_bytes)) ||
	    (err = map_neighbours(d, d->queues_iova, d->queues_iova + 2 * d->cfg.queue_bytes)))
		return err;
	return map_neighbours(d, d->admin_iova, d->admin_iova + RF_ADMIN_BYTES);
}

int doorbell_open(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;
	int err = honest_doorbell(d);

	if (err)
		return err;
	b->bytes = d->bar[b->bar].bytes;
	b->at -= b->page;
	b->regs += b->page;
	return 0;
}
