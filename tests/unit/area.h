/* SPDX-License-Identifier: MIT */
/*
 * area.h - the end of a disk, byte by byte, behind a cache that may forget any logical block.
 *
 * Room:   tests/unit. Shared memory, so that a child of the test may format it.
 */
#ifndef RF_TEST_AREA_H
#define RF_TEST_AREA_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "block.h"

#define AREA_BLOCK 512u

struct area {
	uint64_t       at, bytes;         /* place on the disk */
	unsigned char *cache, *stable;
	unsigned char *changed;           /* by block: cache and stable may differ */
	uint32_t      *list, count;
};

static inline void area_open(struct area *a, uint64_t at, uint64_t end)
{
	const uint64_t blocks = (end - at) / AREA_BLOCK;
	unsigned char *m = mmap(NULL, 2 * (end - at) + blocks * 5, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*a = (struct area){ .at = at, .bytes = end - at, .cache = m, .stable = m + (end - at),
			    .list = (void *)(m + 2 * (end - at)),
			    .changed = m + 2 * (end - at) + blocks * 4 };
}

static inline void area_close(struct area *a)
{
	munmap(a->cache, 2 * a->bytes + a->bytes / AREA_BLOCK * 5);
}

static inline void area_settle(struct area *a, uint64_t block)
{
	memcpy(a->stable + block * AREA_BLOCK, a->cache + block * AREA_BLOCK, AREA_BLOCK);
}

/* One block of a write. */
static inline void area_write(struct area *a, uint64_t block, const unsigned char *data,
			      bool through)
{
	memcpy(a->cache + block * AREA_BLOCK, data, AREA_BLOCK);
	if (through)
		area_settle(a, block);
	else if (!a->changed[block])
		a->list[a->count++] = (uint32_t)block;
	a->changed[block] |= !through;
}

static inline void area_flush(struct area *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		area_settle(a, a->list[i]);
		a->changed[a->list[i]] = 0;
	}
	a->count = 0;
}

/* Some of what is in the cache gets written back (`forget`: the rest is gone). */
static inline void area_turn(struct area *a, uint32_t (*chance)(void *, uint32_t), void *of,
			     bool forget)
{
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t block = a->list[i];

		if (!chance(of, forget ? 2 : 100))
			area_settle(a, block);
		else if (forget)
			memcpy(a->cache + (uint64_t)block * AREA_BLOCK,
			       a->stable + (uint64_t)block * AREA_BLOCK, AREA_BLOCK);
	}
	if (forget)
		area_flush(a);
}

#endif
