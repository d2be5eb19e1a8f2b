/* SPDX-License-Identifier: MIT */
/*
 * blk_types.h - a disk and what can be asked of it.
 *
 * Room:   sandbox/abi, compiled into both sides of the fence, and part of libringfence: it
 *         compiles alone, as C11 and as C++.
 * Units:  bytes; addresses and lengths are multiples of the logical block size.
 */
#ifndef RF_BLK_TYPES_H
#define RF_BLK_TYPES_H

#include <stdint.h>

/* Most requests a driver has at a time, and slots of each of its rings. */
#define RF_BLK_DEPTH 256u

enum rf_blk_op {
	RF_BLK_READ = 1,
	RF_BLK_WRITE = 2,
	RF_BLK_FLUSH = 3,   /* no range */
	RF_BLK_DISCARD = 4, /* contents undefined afterwards */
	RF_BLK_ZERO = 5,    /* range reads as zeroes afterwards */
};

/* rf_blk_req.flags */
#define RF_BLK_FUA      0x01u /* write: on stable media before the response */
#define RF_BLK_NO_UNMAP 0x02u /* zero: keep the range allocated */

/* rf_blk_info.features */
#define RF_BLK_HAS_FLUSH   0x01u /* the device has a volatile cache */
#define RF_BLK_HAS_DISCARD 0x02u
#define RF_BLK_HAS_ZERO    0x04u
#define RF_BLK_HAS_FUA     0x08u
#define RF_BLK_READ_ONLY   0x10u

/* The disk as the device process found it. */
struct rf_blk_info {
	uint64_t size;         /* bytes */
	uint32_t block_size;   /* logical block, bytes: 512 or 4096 */
	uint32_t max_transfer; /* most payload bytes of one request, multiple of 4096 */
	uint32_t max_discard;  /* most bytes of one discard or zero */
	uint32_t features;     /* RF_BLK_HAS_* */
};

#endif
