/* SPDX-License-Identifier: MIT */
/*
 * poison.c - the NVMe driver with a bug: it dies of any request that touches block 1024 (of
 * 4 KiB), with all it took along with it unanswered.
 *
 * Room:   tests/fault. Contained by: the request fails once drivers died of it alone.
 */
#include "rt_blk.h"

#define POISON (1024ull * 4096)

/* Its table names our function, its own becomes another one. */
static int nvme_submit(void *dev, unsigned slot, const struct rf_blk_req *req);
#define nvme_submit(dev, slot, req) honest_submit(dev, slot, req)
#include "../../drivers/nvme.c"
#undef nvme_submit

static int nvme_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	if (req->op <= RF_BLK_WRITE && req->offset <= POISON && POISON < req->offset + req->length)
		__builtin_trap();
	return honest_submit(dev, slot, req);
}
