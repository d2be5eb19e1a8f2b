/* SPDX-License-Identifier: MIT */
/*
 * blk_io.h - one request of an export, as the service and what keeps it in order see it.
 *
 * Room:   sandbox/blk, trusted, unprivileged.
 */
#ifndef RF_BLK_IO_H
#define RF_BLK_IO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One request of an export; the caller owns the memory until done() was called.
 * Offset and length are bytes and multiples of the block size, at most
 * max_transfer (read, write) or max_discard (discard, zero). Write data in the
 * arena must not change between submission and done().
 */
struct rf_io {
	uint8_t  op;     /* enum rf_blk_op */
	uint8_t  flags;  /* RF_BLK_FUA, RF_BLK_NO_UNMAP */
	uint16_t reserved; /* 0 */
	uint32_t length;
	uint64_t offset;
	uint64_t arena;  /* byte offset out of rf_arena_alloc() */
	void   (*done)(struct rf_io *, int status); /* 0 or -errno; may submit again */
	struct rf_io *next; /* the service's own, while it has the request */
	bool     internal;  /* a filter's own request, which no client asked for; else false */
};

#endif
