/* SPDX-License-Identifier: MIT */
/*
 * evil_nvme.c - the NVMe driver, honest until a read of a certain place tells it to attack:
 * places on the disk are orders, so that one start serves many attacks.
 *
 * Room:   tests/fault, hostile.
 * Orders: a read at ORDER_ARG + k * 256 MiB + v * 4 KiB sets bits 16k to 16k + 15 of the
 *         argument to v; one at ORDER_DO + n * 1 MiB does attack n of enum order with it.
 *         Both are answered like any other read.
 * Stopped by: the IOMMU, the pages it has not got, queues it cannot write to.
 */
#include "rt_blk.h"

#pragma push_macro("RF_BLK_DRIVER")
#undef RF_BLK_DRIVER
#define RF_BLK_DRIVER(table, type)
#include "../../drivers/nvme.c"
#pragma pop_macro("RF_BLK_DRIVER")

#define ORDER_ARG (1ull << 30)
#define ORDER_DO  (2ull << 30)
#define STOLEN    (64u << 10) /* where on the disk LEAK puts what it read */
#define NOBODYS   0x1ffu      /* command identifier of what no request asked for */
#define LATE      16u

enum order {
	SHOOT,    /* disk block 0 (4 KiB) goes to bus address arg */
	STRADDLE, /* disk block 0, 8 KiB of it, to arg - 4 KiB and on */
	LEAK,     /* 4 KiB at bus address arg go to the disk, at STOLEN */
	POKE,     /* doorbell page + lower half of arg: the upper half is written there */
	TOUCH,    /* the same place is read */
	OPCODE,   /* an I/O command: opcode bits 0-7, namespace 8-15, dword 10 32-63 */
	OTHER,    /* reads another place: 4 KiB block bits 0-31, namespace 32-63 */
	EARLY,    /* answers a read, and only then has 16 of 128 KiB done, to arena + arg */
};

static uint64_t arg;
static uint32_t own_nsid;
static char *page; /* of doorbells */

static unsigned evil_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	own_nsid = (uint32_t)boot->queue[queue].param[NVME_PARAM_NSID];
	page = (char *)(uintptr_t)(boot->queue[queue].regs & ~(uint64_t)(NVME_PAGE - 1));
	return nvme_start(dev, boot, queue);
}

/* One command, 4 KiB blocks and all. */
static void evil_put(struct nvme_queue *q, uint32_t opcode, uint32_t cid, uint32_t nsid,
		     uint64_t to, uint64_t to2, uint64_t at, uint32_t bytes)
{
	q->sq[q->sq_tail].nsid = nsid;
	nvme_put(q, opcode, cid, to, to2, at >> q->block_shift, (bytes >> q->block_shift) - 1);
}

/* Its own request first, as the disk serves them in order. */
static int evil_early(struct nvme_queue *q, unsigned slot, const struct rf_blk_req *req)
{
	int err = nvme_submit(q, slot, req);

	for (unsigned i = 0; i < LATE; i++) {
		uint64_t to = q->arena_iova + arg + i * (128u << 10);
		uint64_t *list =
			(uint64_t *)(q->lists + (size_t)(RF_BLK_DEPTH - 2 - i) * NVME_PAGE);

		for (uint64_t k = 1; k < 32; k++)
			list[k - 1] = to + k * NVME_PAGE;
		evil_put(q, NVME_CMD_READ, NOBODYS, own_nsid, to,
			 q->lists_iova + (uint64_t)(RF_BLK_DEPTH - 2 - i) * NVME_PAGE, 0,
			 128u << 10);
	}
	return err;
}

static int evil_order(struct nvme_queue *q, unsigned slot, const struct rf_blk_req *req)
{
	switch ((enum order)((req->offset - ORDER_DO) >> 20)) {
	case SHOOT:
		evil_put(q, NVME_CMD_READ, slot, own_nsid, arg, 0, 0, NVME_PAGE);
		return 0;
	case STRADDLE:
		evil_put(q, NVME_CMD_READ, slot, own_nsid, arg - NVME_PAGE, arg, 0, 2 * NVME_PAGE);
		return 0;
	case LEAK:
		evil_put(q, NVME_CMD_WRITE, slot, own_nsid, arg, 0, STOLEN, NVME_PAGE);
		return 0;
	case POKE:
		rf_mmio_write32(page + (int32_t)arg, (uint32_t)(arg >> 32));
		break;
	case TOUCH:
		(void)rf_mmio_read32(page + (int32_t)arg);
		break;
	case OPCODE:
		q->sq[q->sq_tail].nsid = arg >> 8 & 0xff;
		nvme_put(q, arg & 0xff, slot, q->arena_iova + req->arena, 0, arg >> 32, 0);
		return 0;
	case OTHER:
		evil_put(q, NVME_CMD_READ, slot, (uint32_t)(arg >> 32), q->arena_iova + req->arena,
			 0, (arg & 0xffffffff) * NVME_PAGE, NVME_PAGE);
		return 0;
	case EARLY:
		return evil_early(q, slot, req);
	}
	return nvme_submit(q, slot, req);
}

static int evil_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct nvme_queue *q = dev;

	q->sq[q->sq_tail].nsid = own_nsid;
	if (req->op != RF_BLK_READ || req->offset < ORDER_ARG)
		return nvme_submit(dev, slot, req);
	if (req->offset >= ORDER_DO)
		return evil_order(q, slot, req);
	unsigned shift = (unsigned)(req->offset >> 28 & 3) * 16;
	arg = (arg & ~(0xffffull << shift)) | (req->offset >> 12 & 0xffff) << shift;
	return nvme_submit(dev, slot, req);
}

static bool evil_poll(void *dev, unsigned *slot, int *status)
{
	while (nvme_poll(dev, slot, status))
		if (*slot != NOBODYS)
			return true;
	return false;
}

static const struct rf_blk_driver evil_driver = {
	.start = evil_start,
	.submit = evil_submit,
	.commit = nvme_commit,
	.poll = evil_poll,
	.done = nvme_done,
	.pending = nvme_pending,
};

RF_BLK_DRIVER(evil_driver, struct nvme_queue)
