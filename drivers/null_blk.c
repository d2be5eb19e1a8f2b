/* SPDX-License-Identifier: MIT */
/*
 * null_blk.c - a disk that reads as zeroes and forgets what is written.
 *
 * Room:   drivers, untrusted. The template to copy: see README.md beside it.
 * Device: none. A list in memory stands for the completion queue of a real one.
 * Policy: the data arena is mapped, since no device fills it.
 */
#include "rt_blk.h"

struct null_queue {
	unsigned char *arena;              /* payload, as this process sees it */
	uint32_t       head, tail;         /* of the completion list, free-running */
	uint8_t        slot[RF_BLK_DEPTH]; /* the list: requests that are done */
};

static unsigned null_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	struct null_queue *q = dev;

	(void)queue;
	if (!boot->arena)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	q->arena = (unsigned char *)(uintptr_t)boot->arena;
	return RF_BLK_DEPTH;
}

static int null_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct null_queue *q = dev;

	switch (req->op) {
	case RF_BLK_READ:
		memset(q->arena + req->arena, 0, req->length);
		break;
	case RF_BLK_WRITE:
	case RF_BLK_FLUSH:
	case RF_BLK_DISCARD:
	case RF_BLK_ZERO:
		break;
	default:
		return -EOPNOTSUPP;
	}
	q->slot[q->tail++ % RF_BLK_DEPTH] = (uint8_t)slot;
	return 0;
}

static bool null_pending(void *dev)
{
	struct null_queue *q = dev;

	return q->head != q->tail;
}

static bool null_poll(void *dev, unsigned *slot, int *status)
{
	struct null_queue *q = dev;

	if (!null_pending(q))
		return false;
	*slot = q->slot[q->head++ % RF_BLK_DEPTH];
	*status = 0;
	return true;
}

static const struct rf_blk_driver null_driver = {
	.start = null_start,
	.submit = null_submit,
	.poll = null_poll,
	.pending = null_pending,
};

RF_BLK_DRIVER(null_driver, struct null_queue)
