/* SPDX-License-Identifier: MIT */
/*
 * block.h - the block service: requests to a driver, responses from it.
 *
 * Room:   sandbox/abi, compiled into both sides of the fence.
 * Trust:  the driver may write any byte of struct rf_blk_chan at any time; the
 *         service copies a response out before it looks at it. Requests are
 *         trusted by the driver.
 * Units:  disk addresses and lengths in bytes, multiples of the logical block
 *         size; arena places are byte offsets, never pointers.
 */
#ifndef RF_BLOCK_H
#define RF_BLOCK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "blk_types.h"
#include "ring.h"

/*
 * Request. `tag` is opaque to the driver and comes back unchanged; so does
 * `generation`. `arena` is the byte offset of the payload in the data arena,
 * aligned to 4096; unused without payload.
 */
struct rf_blk_req {
	uint32_t tag;
	uint32_t generation;
	uint8_t  op;    /* enum rf_blk_op */
	uint8_t  flags;
	uint16_t reserved;
	uint32_t length; /* bytes */
	uint64_t offset; /* bytes from the start of the disk */
	uint64_t arena;
};
_Static_assert(sizeof(struct rf_blk_req) == 32, "one request is half a cache line");

/* Response. `status` is 0 or a negative errno out of rf_blk_status_valid(). */
struct rf_blk_resp {
	uint32_t tag;
	uint32_t generation;
	int32_t  status;
	uint32_t reserved;
};
_Static_assert(sizeof(struct rf_blk_resp) == 16, "four responses a cache line");

/* The only answers a driver may give: the service takes any other for a protocol error. */
static inline bool rf_blk_status_valid(int32_t status)
{
	return status == 0 || status == -EIO || status == -ENOSPC || status == -EOPNOTSUPP ||
	       status == -EPERM || status == -EILSEQ || status == -EINVAL;
}

#define RF_BLK_MMIO 8u
/* What one queue's shared channel looks like: one per generation half. */
struct rf_blk_chan {
	_Alignas(64) _Atomic uint64_t heartbeat; /* driver: counts its loop turns */
	_Alignas(64)
		uint64_t mmio[RF_BLK_MMIO]; /* driver: its last register writes, in no order that
	                                            shows: offset from its registers << 32 |
	                                            value */
	_Alignas(64) struct {
		_Alignas(64) unsigned char bytes[RF_RING_BYTES(RF_BLK_DEPTH,
							       sizeof(struct rf_blk_req))];
	} req; /* service produces */
	struct {
		_Alignas(64) unsigned char bytes[RF_RING_BYTES(RF_BLK_DEPTH,
							       sizeof(struct rf_blk_resp))];
	} resp; /* driver produces */
};
#define RF_BLK_CHAN_BYTES 16384u /* channel size in the rings memfd, whole pages */
_Static_assert(sizeof(struct rf_blk_chan) <= RF_BLK_CHAN_BYTES, "a channel fits its pages");

#endif
