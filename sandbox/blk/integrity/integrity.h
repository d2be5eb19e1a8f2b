/* SPDX-License-Identifier: MIT */
/*
 * integrity.h - what a driver returns is what was written there last, or it is EIO.
 *
 * Room:   sandbox/blk/integrity, trusted. Without `integrity memory` none of it runs.
 * Tags:   one word for each logical block of the disk, in memory that only this process
 *         has: a hash under a key made at start over the block's address and contents.
 *         The tag is of the latest contents, so older ones fail as foreign ones do.
 * Copies: clients' data lies in private memory as large as the arena. A write is copied to
 *         the arena when it is submitted; a read is copied out of it, once, when it was
 *         answered, then checked, then shown. No driver or device can reach what was checked.
 * Order:  while this is on, a read makes overlapping requests wait as a write does
 *         (rf_hold.reads): when an answer comes there is one right content for each block.
 * Known:  a block is known from the first time it is read or written; the first read of one
 *         that is not is believed. A failed write or zeroing and any discard make it unknown:
 *         a client must expect anything there. So does a lost cache, for what was changed
 *         and not flushed.
 * Ends:   with the process. Nothing is stored; a successor starts knowing nothing.
 */
#ifndef RF_INTEGRITY_H
#define RF_INTEGRITY_H

#include <stdbool.h>
#include <stdint.h>

#include "block.h"

struct rf_io;
struct rf_integrity;

/* Zeroes that nobody else has; what is not touched costs addresses only. NULL: errno. */
void *rf_private_memory(uint64_t bytes);

/* Before the lock; `heir`: a predecessor may have left changes in the device's cache.
 * 0, or -errno after one line in the log. */
int  rf_integrity_open(struct rf_integrity **, unsigned char *arena, uint64_t bytes, bool heir);
void rf_integrity_close(struct rf_integrity *);
#define RF_INTEGRITY_BLOCKS (1ull << 32) /* of a disk, at most */
/* The disk is known now. False: it has too many blocks. */
bool rf_integrity_disk(struct rf_integrity *, uint64_t size, uint32_t block);

/* Where clients put and find what is at this place of the arena. */
void *rf_integrity_at(struct rf_integrity *, uint64_t arena);

/* The request will be given to a driver. */
void rf_integrity_submit(struct rf_integrity *, const struct rf_io *);
/* A driver answered it. The status for the client: -EIO if data is not what it must be. */
int  rf_integrity_answer(struct rf_integrity *, const struct rf_blk_req *, int status);

/* Change number `n`, numbered by rf_service.acked, was acknowledged; numbers in (from, to]
 * may be lost. */
void rf_integrity_acked(struct rf_integrity *, uint64_t n, const struct rf_blk_req *);
void rf_integrity_lost(struct rf_integrity *, uint64_t from, uint64_t to);

/* Reads that were answered with EIO for what was in them. */
uint64_t rf_integrity_caught(const struct rf_integrity *);

#endif
