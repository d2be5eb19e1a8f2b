/* SPDX-License-Identifier: MIT */
/*
 * disk_layout.h - what `integrity disk` keeps at the end of a disk, byte by byte.
 *
 * Room:   sandbox/blk/integrity, trusted. Pure functions: no state, no I/O.
 * Trust:  none. The disk is written by a driver; every part says where it belongs and is
 *         believed only under its tag, a keyed hash over that and all the rest of it.
 * Places: whole pages of 4 KiB.
 *           blocks of the clients | tag table | journal | superblock 0 | superblock 1 | rest
 * Table:  sectors of one logical block each: header, then an entry a block of the clients.
 *         A logical block is what a device writes wholly or not at all, so that after a
 *         power cut each sector is an old one or a new one.
 * Journal: a ring of pages. Page number n lies at n % JOURNAL_PAGES. It is written before the
 *         blocks it announces, and its number is their generation.
 * Super:  the one with the higher number counts; the other one is overwritten next.
 * Keys:   superblocks are tagged under the operator's key; all else under one made from it
 *         and the volume, a random number of each format.
 */
#ifndef RF_DISK_LAYOUT_H
#define RF_DISK_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_PAGE    4096u
#ifndef JOURNAL_PAGES
#define JOURNAL_PAGES 1024u     /* pages; tests make it smaller */
#endif
#define TABLE_PAGES   (8u << 20) /* most pages of a table */

struct disk_geometry {
	uint64_t blocks;      /* of the clients */
	uint32_t block;       /* bytes */
	uint32_t per_sector;  /* entries of a table sector */
	uint32_t per_page;    /* table sectors of a page */
	uint64_t table_pages;
	uint64_t table_at, journal_at, super_at; /* bytes */
};

/* False: no room for the area and a MiB besides, or too much to keep track of. */
bool layout_geometry(struct disk_geometry *, uint64_t disk, uint32_t block);
/* Says for which disks there is, and that this is none of them. */
#define LAYOUT_LIMITS 160u
void layout_limits(char text[LAYOUT_LIMITS], uint64_t disk, uint32_t block);

struct tag_entry {
	uint64_t generation; /* 0: never written */
	uint64_t tag;        /* TAG_NOTHING: reads as zeroes, whatever lies there */
};
#define TAG_NOTHING 0u

struct tag_sector {
	uint64_t tag;
	uint64_t version; /* number of the superblock that follows it */
	struct tag_entry entry[];
};

struct journal_line {
	uint64_t block, tag;
};

#define JOURNAL_LINES 254u
struct journal_page {
	uint64_t tag;
	uint64_t number;
	uint64_t durable; /* writes of pages up to this one are on stable media */
	uint32_t lines, reserved;
	struct journal_line line[JOURNAL_LINES];
};
_Static_assert(sizeof(struct journal_page) == DISK_PAGE, "a page of the journal");

#define SUPER_MAGIC   0x6472617767666e72ull
#define SUPER_VERSION 1u
#define SUPER_ADOPTED 1u /* flags: what was never written is believed, not zeroes */
struct superblock {
	uint64_t magic;
	uint32_t version, block;
	uint64_t disk;       /* bytes in all */
	uint64_t volume;
	uint64_t number;
	uint64_t journal;    /* number of the first page that counts */
	uint32_t flags, reserved;
	uint64_t tag;
};

/* The key of all but superblocks. */
void layout_key(uint64_t out[2], const uint64_t key[2], uint64_t volume);

uint64_t block_tag(const uint64_t key[2], uint64_t block, uint64_t generation, const void *data,
		  uint32_t bytes);

void superblock_seal(const uint64_t key[2], struct superblock *);
enum superblock_is { SUPER_NONE, SUPER_FOREIGN, SUPER_GOOD };
/* FOREIGN: one of another key, another disk or another version, or damaged. */
enum superblock_is superblock_look(const uint64_t key[2], const struct superblock *, uint64_t disk,
				   uint32_t block);

void journal_page_seal(const uint64_t key[2], struct journal_page *);
/* Is it page `number`? Then every line is of a block of the clients. */
bool journal_page_good(const uint64_t key[2], const struct disk_geometry *,
		       const struct journal_page *, uint64_t number);

/* The whole of table page `page`, whose entries are there. */
void table_page_seal(const uint64_t key[2], const struct disk_geometry *, void *page,
		     uint64_t number, uint64_t version);
bool table_page_good(const uint64_t key[2], const struct disk_geometry *, const void *page,
		     uint64_t number);
/* A number no other contents of this page have. */
uint64_t table_page_digest(const uint64_t key[2], const struct disk_geometry *, const void *page,
			   uint64_t number);

static inline uint64_t table_page_of(const struct disk_geometry *g, uint64_t block)
{
	return block / (g->per_sector * g->per_page);
}

static inline struct tag_entry *tag_entry_in(const struct disk_geometry *g, void *page,
					     uint64_t block)
{
	uint32_t in = (uint32_t)(block % (g->per_sector * g->per_page));
	struct tag_sector *s = (void *)((char *)page + in / g->per_sector * g->block);

	return &s->entry[in % g->per_sector];
}

#endif
