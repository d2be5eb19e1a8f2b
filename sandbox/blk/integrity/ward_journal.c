/* SPDX-License-Identifier: MIT */
/*
 * ward_journal.c - the journal's lines in memory, by block, and what is right to read.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h.
 */
#include <string.h>

#include "ward_inside.h"

static uint32_t line_bucket(uint64_t block)
{
	return (uint32_t)(block * 0x9e3779b97f4a7c15ull >> 48);
}
_Static_assert(WARD_KNOWN == 1u << 16, "line_bucket()");

void ward_notes_clear(struct ward_notes *n)
{
	n->count = 0;
	memset(n->bucket, 0, sizeof(n->bucket));
}

uint32_t ward_note(struct ward_notes *n, uint64_t block, uint64_t tag, uint64_t generation, uint32_t is)
{
	uint32_t *bucket = &n->bucket[line_bucket(block)];

	RF_BUG_ON(n->count == WARD_KNOWN);
	n->known[n->count] = (struct ward_known){ block, tag, generation, *bucket, is };
	*bucket = ++n->count;
	return n->count - 1;
}

/* What was found dead may have been so in the cache only. */
uint64_t ward_notes_lost(struct ward_notes *n)
{
	uint64_t first = ~0ull;

	for (uint32_t i = 0; i < n->count; i++) {
		struct ward_known *k = &n->known[i];

		if (k->generation <= n->durable || k->is & KNOWN_STABLE)
			continue;
		if (!(k->is & KNOWN_DOUBT) && k->generation < first)
			first = k->generation;
		k->is = KNOWN_DOUBT;
	}
	return first;
}

/* The newest line of this block from `at` (1 + index) on, dead or not. */
static uint32_t line_find(const struct ward_notes *n, uint32_t at, uint64_t block)
{
	while (at && n->known[at - 1].block != block)
		at = n->known[at - 1].older;
	return at;
}

static uint32_t line_alive(const struct ward_notes *n, uint32_t at, uint64_t block)
{
	while ((at = line_find(n, at, block)) && n->known[at - 1].is & KNOWN_DEAD)
		at = n->known[at - 1].older;
	return at;
}

struct ward_known *ward_newest(struct ward_notes *n, uint64_t block)
{
	uint32_t at = line_alive(n, n->bucket[line_bucket(block)], block);

	return at ? &n->known[at - 1] : NULL;
}

/* Those of this block newer than `found` (1 + index; 0: all of them). */
static void line_bury(struct ward_notes *n, uint64_t block, uint32_t found)
{
	for (uint32_t at = n->bucket[line_bucket(block)]; (at = line_find(n, at, block)) && at != found;
	     at = n->known[at - 1].older)
		n->known[at - 1].is |= KNOWN_DEAD;
}

static enum ward_verdict fits(const struct ward_judge *j, uint64_t block, uint64_t generation, uint64_t tag,
			      const void *data)
{
	if (tag == WARD_NOTHING)
		return WARD_ZEROES;
	return tag == ward_tag(j->key, block, generation, data, j->g->block) ? WARD_DATA : WARD_WRONG;
}

static enum ward_verdict fits_table(const struct ward_judge *j, uint64_t block, const struct ward_entry *e,
				    const void *data)
{
	if (!e->generation)
		return j->adopted ? WARD_DATA : WARD_ZEROES;
	return fits(j, block, e->generation, e->tag, data);
}

enum ward_verdict ward_judge(const struct ward_judge *j, struct ward_notes *n, uint64_t block, const void *data,
			     const struct ward_entry *table)
{
	uint32_t first = line_alive(n, n->bucket[line_bucket(block)], block);
	enum ward_verdict v;

	for (uint32_t at = first; at; at = line_alive(n, n->known[at - 1].older, block)) {
		struct ward_known *k = &n->known[at - 1];

		v = fits(j, block, k->generation, k->tag, data);
		if (v == WARD_WRONG && k->is & KNOWN_DOUBT)
			continue;
		if (v != WARD_WRONG && k->is & KNOWN_DOUBT) {
			k->is &= ~KNOWN_DOUBT;
			line_bury(n, block, at);
		} else if (v != WARD_WRONG && at != first) {
			line_bury(n, block, at);
		}
		return v;
	}
	v = fits_table(j, block, table, data);
	if (v != WARD_WRONG && first)
		line_bury(n, block, 0);
	return v;
}
