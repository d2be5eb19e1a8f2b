/* SPDX-License-Identifier: MIT */
/* disk_layout.c - see disk_layout.h. Room: sandbox/blk/integrity, trusted. */
#include "disk_layout.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "siphash.h"

/* First word of what is hashed: what it is, and which of them. A block's number has none of
 * these bits. */
#define OF_TABLE   (1ull << 60)
#define OF_JOURNAL (2ull << 60)
#define OF_SUPER   (3ull << 60)
#define OF_DIGEST  (4ull << 60)
#define OF_KEY     (5ull << 60)

#define LEAST_PAGES 256u

bool layout_geometry(struct disk_geometry *g, uint64_t disk, uint32_t block)
{
	uint64_t pages = disk / DISK_PAGE, blocks_a_page = DISK_PAGE / block;

	*g = (struct disk_geometry){ .block = block };
	g->per_sector = block / (uint32_t)sizeof(struct tag_entry) - 1;
	g->per_page = DISK_PAGE / block;
	uint64_t covers =
	    (uint64_t)g->per_sector * g->per_page; /* blocks, by a page of the table */
	if (pages < JOURNAL_PAGES + 2 + LEAST_PAGES || pages / covers >= 1ull << 40)
		return false;
	uint64_t room = pages - JOURNAL_PAGES - 2;
	g->table_pages =
	    (room * blocks_a_page + covers + blocks_a_page - 1) / (covers + blocks_a_page);
	g->blocks = (room - g->table_pages) * blocks_a_page;
	g->table_at = (room - g->table_pages) * DISK_PAGE;
	g->journal_at = room * DISK_PAGE;
	g->super_at = g->journal_at + (uint64_t)JOURNAL_PAGES * DISK_PAGE;
	return g->table_pages <= TABLE_PAGES;
}

void layout_limits(char text[LAYOUT_LIMITS], uint64_t disk, uint32_t block)
{
	uint64_t most = (uint64_t)TABLE_PAGES * (DISK_PAGE / block) * (block / 16 - 1) * block;

	snprintf(
	    text, LAYOUT_LIMITS,
	    "integrity disk is for disks of %u MiB to about %u GiB with blocks of %u bytes: this "
	    "one has %llu bytes",
	    ((JOURNAL_PAGES + 2 + LEAST_PAGES) * DISK_PAGE >> 20) + 1, (unsigned)(most >> 30),
	    block, (unsigned long long)disk);
}

static uint64_t some(uint64_t tag)
{
	return tag == TAG_NOTHING ? 1 : tag;
}

void layout_key(uint64_t out[2], const uint64_t key[2], uint64_t volume)
{
	out[0] = rf_siphash_pair(key, OF_KEY, volume, NULL, 0);
	out[1] = rf_siphash_pair(key, OF_KEY | 1, volume, NULL, 0);
}

uint64_t block_tag(const uint64_t key[2], uint64_t block, uint64_t generation, const void *data,
		  uint32_t bytes)
{
	return some(rf_siphash_pair(key, block, generation, data, bytes / 8));
}

static uint64_t super_tag(const uint64_t key[2], const struct superblock *s)
{
	return rf_siphash(key, OF_SUPER, s, offsetof(struct superblock, tag) / 8);
}

void superblock_seal(const uint64_t key[2], struct superblock *s)
{
	s->tag = super_tag(key, s);
}

enum superblock_is superblock_look(const uint64_t key[2], const struct superblock *s, uint64_t disk,
				   uint32_t block)
{
	if (s->magic != SUPER_MAGIC)
		return SUPER_NONE;
	return s->tag == super_tag(key, s) && s->version == SUPER_VERSION && s->disk == disk &&
		s->block == block && s->journal && s->journal < 1ull << 60 && s->number < 1ull << 60
		? SUPER_GOOD : SUPER_FOREIGN;
}

static uint64_t page_tag(const uint64_t key[2], const struct journal_page *p)
{
	return rf_siphash(key, OF_JOURNAL, &p->number, (DISK_PAGE - 8) / 8);
}

void journal_page_seal(const uint64_t key[2], struct journal_page *p)
{
	p->tag = page_tag(key, p);
}

bool journal_page_good(const uint64_t key[2], const struct disk_geometry *g,
		       const struct journal_page *p, uint64_t number)
{
	if (p->number != number || p->lines > JOURNAL_LINES || p->durable >= number ||
	    p->tag != page_tag(key, p))
		return false;
	for (uint32_t i = 0; i < p->lines; i++)
		if (p->line[i].block >= g->blocks)
			return false;
	return true;
}

static uint64_t sector_tag(const uint64_t key[2], const struct tag_sector *s, uint64_t number,
			   uint32_t block)
{
	return rf_siphash(key, OF_TABLE | number, &s->version, (block - 8) / 8);
}

void table_page_seal(const uint64_t key[2], const struct disk_geometry *g, void *page,
		     uint64_t number, uint64_t version)
{
	for (uint32_t i = 0; i < g->per_page; i++) {
		struct tag_sector *s = (void *)((char *)page + (uint64_t)i * g->block);

		s->version = version;
		s->tag = sector_tag(key, s, number * g->per_page + i, g->block);
	}
}

bool table_page_good(const uint64_t key[2], const struct disk_geometry *g, const void *page,
		     uint64_t number)
{
	for (uint32_t i = 0; i < g->per_page; i++) {
		const struct tag_sector *s =
		    (const void *)((const char *)page + (uint64_t)i * g->block);

		if (s->tag != sector_tag(key, s, number * g->per_page + i, g->block))
			return false;
	}
	return true;
}

uint64_t table_page_digest(const uint64_t key[2], const struct disk_geometry *g, const void *page,
			   uint64_t number)
{
	uint64_t tags[DISK_PAGE / 512];

	for (uint32_t i = 0; i < g->per_page; i++)
		memcpy(&tags[i], (const char *)page + (uint64_t)i * g->block, 8);
	return some(rf_siphash(key, OF_DIGEST | number, tags, g->per_page));
}
