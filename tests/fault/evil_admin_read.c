/* SPDX-License-Identifier: MIT */
/*
 * evil_admin_read.c - the NVMe driver, but what is read from the disk's first block goes
 * into the admin submission queue: commands of the attacker's for the controller.
 *
 * Room:   tests/fault, hostile. Stopped by: that page is read-only for the device.
 * Knows:  where the page lies on the bus. It follows from what a driver is told, and
 *         from the layout of vfio_map_dma().
 */
#include "blk.h"

#pragma push_macro("RF_BLK_DRIVER")
#undef RF_BLK_DRIVER
#define RF_BLK_DRIVER(table, type)
#include "../../drivers/nvme.c"
#pragma pop_macro("RF_BLK_DRIVER")

#define HOLE (2ull << 20)

static uint64_t admin_iova;

static unsigned evil_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	const struct rf_boot_queue *b = &boot->queue[queue];
	uint64_t halves = b->mem_iova - (boot->generation & 1) * b->mem_bytes;

	admin_iova = (halves + 2 * b->mem_bytes + 2 * HOLE - 1) & ~(HOLE - 1);
	return nvme_start(dev, boot, queue);
}

static int evil_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	const struct nvme_queue *q = dev;
	struct rf_blk_req evil = *req;

	if (req->op == RF_BLK_READ && !req->offset)
		evil.arena = admin_iova - q->arena_iova;
	return nvme_submit(dev, slot, &evil);
}

static const struct rf_blk_driver evil_driver = {
	.start = evil_start,
	.submit = evil_submit,
	.commit = nvme_commit,
	.poll = nvme_poll,
	.done = nvme_done,
	.pending = nvme_pending,
};

RF_BLK_DRIVER(evil_driver, struct nvme_queue)
