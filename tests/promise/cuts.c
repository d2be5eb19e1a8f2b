/* SPDX-License-Identifier: MIT */
/*
 * cuts.c - what a power cut may leave, at any place of the record.
 *
 * Room:   tests/promise.
 * Image:  stable storage holds what was written through or flushed; of each block, any
 *         version written since may have got there as well, whatever happened to other
 *         blocks and to later versions. That is every prefix and every subset of the
 *         unflushed writes, and more. Because blocks are independent of each other, all
 *         these images are checked by looking at each version of each block. Some are
 *         put together as bytes besides and read as a client would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promise.h"

#define NONE 0u /* place of data: zeroes */

struct version {
	uint64_t data; /* place in the record */
	uint32_t next; /* older one since the last flush, 1 + index; 0: none */
};

struct disk {
	const unsigned char *record;
	const struct book   *book;
	uint64_t *stable;   /* by block: place of its data */
	uint32_t *unstable; /* by block: newest version that is not stable, 1 + index; 0: none */
	uint32_t *dirty;    /* blocks that have any */
	uint32_t  dirty_count;
	struct version *version;
	uint32_t  versions, room;
	uint64_t *promised, *zeroed; /* by block, at the place of the cut */
};

static void *room_for(size_t count, size_t size)
{
	void *p = calloc(count, size);

	return p ? p : (fail("out of memory"), NULL);
}

static void write_block(struct disk *d, uint32_t block, uint64_t data)
{
	if (d->versions == d->room) {
		d->room = d->room ? 2 * d->room : 1024;
		d->version = realloc(d->version, d->room * sizeof(*d->version));
		if (!d->version)
			fail("out of memory");
	}
	if (!d->unstable[block])
		d->dirty[d->dirty_count++] = block;
	d->version[d->versions] = (struct version){ data, d->unstable[block] };
	d->unstable[block] = ++d->versions;
}

static void settle_block(struct disk *d, uint32_t block)
{
	if (d->unstable[block])
		d->stable[block] = d->version[d->unstable[block] - 1].data;
	d->unstable[block] = 0;
}

static void flush(struct disk *d)
{
	for (uint32_t i = 0; i < d->dirty_count; i++)
		settle_block(d, d->dirty[i]);
	d->dirty_count = d->versions = 0;
}

/* A block that was settled stays on the list; it is there once. */
static void settle(struct disk *d, uint32_t first, uint32_t count)
{
	uint32_t left = 0;

	for (uint32_t b = first; b < first + count && b < d->book->blocks; b++)
		settle_block(d, b);
	for (uint32_t i = 0; i < d->dirty_count; i++)
		if (d->unstable[d->dirty[i]])
			d->dirty[left++] = d->dirty[i];
	d->dirty_count = left;
}

/* Carries out the record at `at`; the place of the next one. */
static uint64_t step(struct disk *d, uint64_t at)
{
	const struct record *r = (const void *)(d->record + at);
	uint64_t data = at + sizeof(*r), last = r->kind == RECORD_WRITE ? data + r->bytes : data;
	uint32_t first = (uint32_t)(r->offset / BLOCK), count = (uint32_t)(r->bytes / BLOCK);

	if (r->offset % BLOCK || r->bytes % BLOCK)
		fail("the record has parts of blocks");
	if (r->kind == RECORD_FLUSH)
		flush(d);
	else if (r->kind == RECORD_SETTLE)
		settle(d, first, count);
	else
		for (uint32_t i = 0; i < count && first + i < d->book->blocks; i++)
			write_block(d, first + i,
				    r->kind == RECORD_WRITE ? data + (uint64_t)i * BLOCK : NONE);
	return last;
}

/* Is what the disk may hold of this block enough? */
static bool enough(const struct disk *d, uint32_t block, const void *bytes)
{
	static const unsigned char zeroes[BLOCK];
	uint64_t version = block_version(bytes ? bytes : zeroes, block);

	if (!version)
		version = d->zeroed[block];
	return version != ~0ull && version >= d->promised[block] &&
	       version <= d->book->newest[block];
}

static const void *bytes_at(const struct disk *d, uint64_t data)
{
	return data == NONE ? NULL : d->record + data;
}

static void tell_lost(const struct disk *d, uint64_t at, uint32_t block, struct figures *n)
{
	if (n->lost++ < 5)
		fprintf(stderr,
			"a power cut at %llu may leave block %u older than its promised version "
			"%llu\n",
			(unsigned long long)at, block, (unsigned long long)d->promised[block]);
}

static void every_version(const struct disk *d, uint64_t at, struct figures *n)
{
	for (uint32_t b = 0; b < d->book->blocks; b++) {
		bool good = enough(d, b, bytes_at(d, d->stable[b]));

		n->candidates++;
		for (uint32_t v = d->unstable[b]; v; v = d->version[v - 1].next, n->candidates++)
			good &= enough(d, b, bytes_at(d, d->version[v - 1].data));
		n->promises_checked += d->promised[b] != 0;
		if (!good)
			tell_lost(d, at, b, n);
	}
}

/* One image as bytes: of each block any of its versions, by chance. */
static void one_image(const struct disk *d, uint64_t at, unsigned char *image, uint64_t *dice,
		      struct figures *n)
{
	for (uint32_t b = 0; b < d->book->blocks; b++) {
		uint64_t data = d->stable[b];
		for (uint32_t v = d->unstable[b]; v; v = d->version[v - 1].next)
			if (chance(dice) % 3 == 0)
				data = d->version[v - 1].data;
		const void *bytes = bytes_at(d, data);
		if (bytes)
			memcpy(image + (size_t)b * BLOCK, bytes, BLOCK);
		else
			memset(image + (size_t)b * BLOCK, 0, BLOCK);
	}
	n->images++;
	for (uint32_t b = 0; b < d->book->blocks; b++)
		if (!enough(d, b, image + (size_t)b * BLOCK))
			tell_lost(d, at, b, n);
}

/* Lines of the book up to this place. They are in order of place. */
static size_t known(uint64_t *by_block, const struct lines *l, size_t i, uint64_t at)
{
	for (; i < l->count && l->line[i].at <= at; i++)
		by_block[l->line[i].block] = l->line[i].version;
	return i;
}

static uint64_t count_records(const struct disk *d, uint64_t end)
{
	uint64_t count = 0;

	for (uint64_t at = RECORD_FIRST; at < end; count++) {
		const struct record *r = (const void *)(d->record + at);
		at += sizeof(*r) + (r->kind == RECORD_WRITE ? r->bytes : 0);
	}
	return count;
}

void cuts_check(const struct book *book, uint64_t cuts, uint64_t seed, struct figures *n)
{
	const uint32_t blocks = book->blocks;
	const uint64_t end = atomic_load(&book->record->end);
	struct disk d = { .record = (const void *)book->record,
			  .book = book,
			  .stable = room_for(blocks, 8),
			  .unstable = room_for(blocks, 4),
			  .dirty = room_for(blocks, 4),
			  .promised = room_for(blocks, 8),
			  .zeroed = room_for(blocks, 8) };
	unsigned char *image = room_for(blocks, BLOCK);
	uint64_t records = count_records(&d, end), left = records, dice = seed;
	size_t promises = 0, zeroes = 0;

	/* So many of the places between records, every one as likely as the others; `left`
	 * is of those still to come. */
	for (uint64_t at = RECORD_FIRST; at < end && n->cuts < cuts; left--) {
		at = step(&d, at);
		if (chance(&dice) % left >= cuts - n->cuts)
			continue;
		promises = known(d.promised, &book->promises, promises, at);
		zeroes = known(d.zeroed, &book->zeroes, zeroes, at);
		n->cuts++;
		every_version(&d, at, n);
		one_image(&d, at, image, &dice, n);
	}
	fprintf(stderr, "%llu of %llu places cut\n", (unsigned long long)n->cuts,
		(unsigned long long)records);
}
