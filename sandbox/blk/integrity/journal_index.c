/* SPDX-License-Identifier: MIT */
/*
 * journal_index.c - the journal's lines in memory, by block, and what is right to read.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h.
 */
#include <string.h>

#include "disk_state.h"

static uint32_t line_bucket(uint64_t block)
{
	return (uint32_t)(block * 0x9e3779b97f4a7c15ull >> 48);
}
_Static_assert(JOURNAL_ENTRIES == 1u << 16, "line_bucket()");

void journal_index_clear(struct journal_index *n)
{
	n->count = 0;
	memset(n->bucket, 0, sizeof(n->bucket));
}

uint32_t journal_append(struct journal_index *n, uint64_t block, uint64_t tag, uint64_t generation,
			uint32_t is)
{
	uint32_t *bucket = &n->bucket[line_bucket(block)];

	RF_BUG_ON(n->count == JOURNAL_ENTRIES);
	n->entry[n->count] = (struct journal_entry){ block, tag, generation, *bucket, is };
	*bucket = ++n->count;
	return n->count - 1;
}

/* Lines that were found dead may have been dead in the lost cache only. */
uint64_t journal_index_lost(struct journal_index *n)
{
	uint64_t first = ~0ull;

	for (uint32_t i = 0; i < n->count; i++) {
		struct journal_entry *k = &n->entry[i];

		if (k->generation <= n->durable || k->is & ENTRY_STABLE)
			continue;
		if (!(k->is & ENTRY_DOUBT) && k->generation < first)
			first = k->generation;
		k->is = ENTRY_DOUBT;
	}
	return first;
}

/* The newest line of this block, dead or not, at `at` (1 + index) or before. */
static uint32_t line_find(const struct journal_index *n, uint32_t at, uint64_t block)
{
	while (at && n->entry[at - 1].block != block)
		at = n->entry[at - 1].older;
	return at;
}

static uint32_t line_alive(const struct journal_index *n, uint32_t at, uint64_t block)
{
	while ((at = line_find(n, at, block)) && n->entry[at - 1].is & ENTRY_DEAD)
		at = n->entry[at - 1].older;
	return at;
}

struct journal_entry *journal_newest(struct journal_index *n, uint64_t block)
{
	uint32_t at = line_alive(n, n->bucket[line_bucket(block)], block);

	return at ? &n->entry[at - 1] : NULL;
}

/* Marks the lines of this block that are newer than `found` (1 + index; 0: all) as dead. */
static void line_supersede(struct journal_index *n, uint64_t block, uint32_t found)
{
	for (uint32_t at = n->bucket[line_bucket(block)];
	     (at = line_find(n, at, block)) && at != found; at = n->entry[at - 1].older)
		n->entry[at - 1].is |= ENTRY_DEAD;
}

static enum tag_verdict fits(const struct tag_judge *j, uint64_t block, uint64_t generation,
			     uint64_t tag, const void *data)
{
	if (tag == TAG_NOTHING)
		return TAG_EMPTY;
	return tag == block_tag(j->key, block, generation, data, j->g->block) ? TAG_DATA
									      : TAG_WRONG;
}

static enum tag_verdict fits_table(const struct tag_judge *j, uint64_t block,
				   const struct tag_entry *e, const void *data)
{
	if (!e->generation)
		return j->adopted ? TAG_DATA : TAG_EMPTY;
	return fits(j, block, e->generation, e->tag, data);
}

enum tag_verdict tag_judge(const struct tag_judge *j, struct journal_index *n, uint64_t block,
			   const void *data, const struct tag_entry *table)
{
	uint32_t first = line_alive(n, n->bucket[line_bucket(block)], block);
	enum tag_verdict v;

	for (uint32_t at = first; at; at = line_alive(n, n->entry[at - 1].older, block)) {
		struct journal_entry *k = &n->entry[at - 1];

		v = fits(j, block, k->generation, k->tag, data);
		if (v == TAG_WRONG && k->is & ENTRY_DOUBT)
			continue;
		if (v != TAG_WRONG && k->is & ENTRY_DOUBT) {
			k->is &= ~ENTRY_DOUBT;
			line_supersede(n, block, at);
		} else if (v != TAG_WRONG && at != first) {
			line_supersede(n, block, at);
		}
		return v;
	}
	v = fits_table(j, block, table, data);
	if (v != TAG_WRONG && first)
		line_supersede(n, block, 0);
	return v;
}
