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

/* Requests held behind an overlapping one; a further one stops the queue. */
#define RF_HELD_MAX 64u

/* Requests that are kept waiting in here, by a full table, for want of a driver or by one that
 * they overlap: a client's own, and all of its export. */
struct rf_waits {
	uint32_t  own;
	uint32_t *all;
};

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
	uint64_t arena;  /* byte offset out of rf_blk_alloc() */
	void   (*done)(struct rf_io *, int status); /* 0 or -errno; may submit again */
	struct rf_io *next; /* the service's own, while it has the request */
	struct rf_waits *waits; /* NULL, or counts it while it waits */
	bool     internal;  /* a filter's own request, which no client asked for; else false */
};

static inline void rf_io_waits(const struct rf_io *io)
{
	if (!io->waits)
		return;
	io->waits->own++;
	++*io->waits->all;
}

static inline void rf_io_goes_on(const struct rf_io *io)
{
	if (!io->waits)
		return;
	io->waits->own--;
	--*io->waits->all;
}

#endif
