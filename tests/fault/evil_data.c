/* SPDX-License-Identifier: MIT */
/*
 * evil_data.c - the NVMe driver, lying about data: a read that touches block 1,000 (of 4 KiB)
 * is given what lies 4 KiB behind it.
 *
 * Room:   tests/fault. Contained by: `integrity`, a keyed checksum over address and contents.
 *         Without it the client believes what it gets.
 */
#include "rt_blk.h"

#define PLACE (1000ull * 4096)

/* Its table names our function, its own becomes another one. */
static int nvme_submit(void *dev, unsigned slot, const struct rf_blk_req *req);
#define nvme_submit(dev, slot, req) honest_submit(dev, slot, req)
#include "../../drivers/nvme.c"
#undef nvme_submit

static int nvme_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct rf_blk_req other = *req;

	if (req->op == RF_BLK_READ && req->offset <= PLACE && PLACE < req->offset + req->length)
		other.offset += 4096;
	return honest_submit(dev, slot, &other);
}
