/* SPDX-License-Identifier: MIT */
/*
 * arena.h - places in the data arena: a buddy allocator, 4 KiB to 1 MiB.
 *
 * Room:   sandbox/blk, trusted. All bookkeeping is private memory; the arena
 *         itself, which a device writes, holds payload and nothing else.
 * Cost:   a freed block is kept as it is on a short stack of its size, so that the
 *         next allocation of that size splits nothing. Buddies are merged when a
 *         stack is full or an allocation finds nothing.
 */
#ifndef RF_ARENA_H
#define RF_ARENA_H

#include <stdint.h>

#define RF_ARENA_UNIT   4096u
#define RF_ARENA_MAX    1048576u
#define RF_ARENA_ORDERS 9u  /* 4 KiB << 0 .. 4 KiB << 8 */
#define RF_ARENA_QUICK  128u /* blocks kept unmerged, per order */

struct rf_arena {
	uint32_t  pages;
	uint32_t  free_head[RF_ARENA_ORDERS]; /* first page of a free block, or NONE */
	uint32_t *next, *prev;                /* of free blocks, by first page */
	uint8_t  *state;                      /* by first page, see arena.c */
	uint32_t  quick_count[RF_ARENA_ORDERS];
	uint32_t  quick[RF_ARENA_ORDERS][RF_ARENA_QUICK];
};

/* Allocates the bookkeeping for `bytes` of arena. 0, -EINVAL, -ENOMEM. */
int  rf_arena_open(struct rf_arena *, uint64_t bytes);
void rf_arena_close(struct rf_arena *);

/* Bytes an allocation of `length` really takes: the next power of two. */
uint32_t rf_arena_size(uint32_t length);

/* 0 and the byte offset, -EINVAL: length 0 or too long, -ENOMEM: nothing free now. */
int  rf_arena_take(struct rf_arena *, uint32_t length, uint64_t *offset);
void rf_arena_give(struct rf_arena *, uint64_t offset, uint32_t length);

#endif
