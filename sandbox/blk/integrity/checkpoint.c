/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - from the journal to the table, so that the journal may begin anew.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h, step 3.
 * Doubt:  of lines that may not have reached the disk, the block itself tells which one is
 *         right; one that is of no version keeps the newest tag, and reads as EIO.
 * Loss:   if the device forgets what was not flushed, all of it is done again.
 */
#include <stdlib.h>
#include <string.h>

#include "disk_state.h"

#define AHEAD 16u /* table pages asked for at once */
/* more rounds, for blocks that cannot be read; then their newest tag is right */
#define CKPT_ROUNDS 2u

static void ckpt_over(struct disk_store *d, bool well)
{
	d->checkpoint.stage = CKPT_IDLE;
	d->events->checkpointed(d, well);
}

/* ---- flush ------------------------------------------------------------------------------- */

static void ckpt_flush(struct disk_store *d);
static void ckpt_sort(struct disk_store *d);

static void next_stage(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	c->stage++;
	c->at = 0;
	if (c->stage == CKPT_SUPER_FLUSH && d->disk.fua)
		c->stage++;
	if (c->stage == CKPT_RESOLVE)
		ckpt_sort(d);
	if (c->stage == CKPT_FLUSH || c->stage == CKPT_TABLE_FLUSH || c->stage == CKPT_SUPER_FLUSH)
		ckpt_flush(d);
	else
		checkpoint_continue(d);
}

static void ckpt_flushed(struct rf_io *io, int status)
{
	struct disk_store *d = disk_store_holding(io, checkpoint.io);
	struct checkpoint *c = &d->checkpoint;

	if (status && !disk_is_gone(d))
		rf_blk_lost(integrity_below(&d->base)); /* no other code tells the clients */
	if (status) {
		ckpt_over(d, false);
	} else {
		journal_flushed(d, c->cover);
		c->unflushed_table = false;
		next_stage(d);
	}
}

static void ckpt_flush(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	c->cover = journal_answered(d);
	if (!d->disk.cached) {
		journal_flushed(d, c->cover);
		next_stage(d);
		return;
	}
	c->io = (struct rf_io){ .op = RF_BLK_FLUSH, .done = ckpt_flushed, .internal = true };
	internal_send(d, &c->io);
}

/* ---- in order of blocks ------------------------------------------------------------------ */

static int by_block(const void *a, const void *b)
{
	const struct checkpoint_order *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

static void ckpt_sort(struct disk_store *d)
{
	struct journal_index *n = &d->journal.index;
	struct checkpoint *c = &d->checkpoint;

	for (uint32_t i = 0; i < n->count; i++)
		c->order[i] = (struct checkpoint_order){ n->entry[i].block };
	qsort(c->order, n->count, sizeof(c->order[0]), by_block);
}

static uint32_t next_block(const struct disk_store *d, uint32_t at)
{
	const struct checkpoint *c = &d->checkpoint;
	uint64_t block = c->order[at].block;

	while (at < d->journal.index.count && c->order[at].block == block)
		at++;
	return at;
}

static void look_ahead(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;
	uint64_t last = ~0ull;

	for (uint32_t i = c->at, n = 0; i < d->journal.index.count && n < AHEAD; i++) {
		uint64_t page = table_page_of(&d->g, c->order[i].block);

		if (page == last)
			continue;
		last = page;
		n++;
		if (!tag_table_page(d, page))
			tag_table_load(d, page);
	}
}

/* The table page of the block that comes next; NULL: it is being loaded. */
static void *page_now(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;
	void *page = tag_table_page(d, table_page_of(&d->g, c->order[c->at].block));

	if (!page)
		look_ahead(d);
	return page;
}

/* ---- doubt ------------------------------------------------------------------------------- */

static void checkpoint_resolved(struct internal_io *op, int status)
{
	struct disk_store *d = op->store;
	struct journal *j = &d->journal;
	struct checkpoint *c = &d->checkpoint;
	uint64_t block = op->what;
	unsigned char data[DISK_PAGE];
	void *page = tag_table_page(d, table_page_of(&d->g, block));
	struct journal_entry *newest = journal_newest(&j->index, block);

	memcpy(data, disk_shared(d, op->io.arena), d->g.block);
	if (!page || (status && c->rounds < CKPT_ROUNDS))
		c->again = true;
	else if (newest && (status || tag_judge(&d->judge, &j->index, block, data,
						 tag_entry_in(&d->g, page, block)) == TAG_WRONG))
		newest->is &= ~ENTRY_DOUBT;
	internal_give(op);
	c->under_way--;
	checkpoint_continue(d);
}

/* Resolves blocks in doubt. True: every block's right version is known. */
static bool ckpt_resolve(struct disk_store *d)
{
	struct journal *j = &d->journal;
	struct checkpoint *c = &d->checkpoint;

	for (; c->at < j->index.count && !c->failed; c->at = next_block(d, c->at)) {
		uint64_t block = c->order[c->at].block;
		const struct journal_entry *k = journal_newest(&j->index, block);
		struct internal_io *op;

		if (!k || !(k->is & ENTRY_DOUBT))
			continue;
		if (!page_now(d) || !(op = internal_take(d)))
			return false;
		op->what = block;
		op->then = checkpoint_resolved;
		op->io.op = RF_BLK_READ;
		op->io.flags = 0;
		op->io.length = d->g.block;
		op->io.offset = block * d->g.block;
		c->under_way++;
		internal_send(d, &op->io);
	}
	if (c->under_way)
		return false;
	if (!c->again)
		return true;
	c->again = false;
	c->rounds++;
	c->at = 0;
	return ckpt_resolve(d);
}

/* ---- table ------------------------------------------------------------------------------- */

static void page_written(struct internal_io *op, int status)
{
	struct disk_store *d = op->store;
	struct checkpoint *c = &d->checkpoint;

	if (status) {
		d->table.digest[op->what] = 0;
		c->failed = true;
	}
	internal_give(op);
	c->under_way--;
	checkpoint_continue(d);
}

/* Fills one page's changes in; `at` stands at the next page's afterwards. */
static void page_fill(struct disk_store *d, void *bytes, uint64_t page)
{
	struct journal *j = &d->journal;
	struct checkpoint *c = &d->checkpoint;

	while (c->at < j->index.count && table_page_of(&d->g, c->order[c->at].block) == page) {
		uint64_t block = c->order[c->at].block;
		const struct journal_entry *k = journal_newest(&j->index, block);

		if (k)
			*tag_entry_in(&d->g, bytes, block) =
			    (struct tag_entry){ k->generation, k->tag };
		c->at = next_block(d, c->at);
	}
	table_page_seal(d->judge.key, &d->g, bytes, page, j->super.number + 1);
	d->table.digest[page] = table_page_digest(d->judge.key, &d->g, bytes, page);
}

/* Writes table pages. True: all are written. */
static bool ckpt_table(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	while (c->at < d->journal.index.count && !c->failed) {
		uint64_t page = table_page_of(&d->g, c->order[c->at].block);
		void *bytes = page_now(d);
		struct internal_io *op = bytes ? internal_take(d) : NULL;

		if (!op)
			return false;
		page_fill(d, bytes, page);
		c->unflushed_table = true;
		memcpy(disk_shared(d, op->io.arena), bytes, DISK_PAGE);
		op->what = page;
		op->then = page_written;
		op->io.op = RF_BLK_WRITE;
		op->io.flags = 0;
		op->io.length = DISK_PAGE;
		op->io.offset = d->g.table_at + page * DISK_PAGE;
		c->under_way++;
		internal_send(d, &op->io);
	}
	return !c->under_way;
}

/* ---- superblock -------------------------------------------------------------------------- */

static void super_make(struct disk_store *d, struct superblock *next)
{
	struct journal *j = &d->journal;

	*next = j->super;
	next->number++;
	next->journal = j->filling + (j->lines != 0);
	superblock_seal(d->master, next);
}

static void super_done(struct internal_io *op, int status)
{
	struct disk_store *d = op->store;
	struct checkpoint *c = &d->checkpoint;

	internal_give(op);
	c->under_way--;
	c->failed |= status != 0;
	if (status)
		checkpoint_continue(d);
	else
		next_stage(d);
}

static void ckpt_super(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;
	struct superblock next;
	struct internal_io *op = c->under_way ? NULL : internal_take(d);

	if (!op)
		return;
	super_make(d, &next);
	memset(disk_shared(d, op->io.arena), 0, DISK_PAGE);
	memcpy(disk_shared(d, op->io.arena), &next, sizeof(next));
	op->then = super_done;
	op->io.op = RF_BLK_WRITE;
	op->io.flags = disk_through(d);
	op->io.length = DISK_PAGE;
	op->io.offset = d->g.super_at + next.number % 2 * DISK_PAGE;
	c->under_way++;
	internal_send(d, &op->io);
}

/* The journal is empty. */
static void begin_anew(struct disk_store *d)
{
	struct journal *j = &d->journal;
	struct superblock next;

	super_make(d, &next);
	j->super = next;
	j->filling = next.journal;
	j->written = j->index.durable = j->filling - 1;
	j->lines = 0;
	d->changes.unsure_page = ~0ull;
	j->mark = false;
	journal_index_clear(&j->index);
	ckpt_over(d, true);
}

/* ---- all of it --------------------------------------------------------------------------- */

void checkpoint_begin(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	if (c->stage != CKPT_IDLE)
		return;
	c->stage = CKPT_DRAIN;
	c->lost = c->again = c->failed = false;
	c->rounds = 0;
	checkpoint_continue(d);
}

void checkpoint_missed(struct disk_store *d, uint64_t page)
{
	struct checkpoint *c = &d->checkpoint;

	if ((c->stage == CKPT_RESOLVE || c->stage == CKPT_TABLE) &&
	    c->at < d->journal.index.count && table_page_of(&d->g, c->order[c->at].block) == page)
		c->failed = true;
	checkpoint_continue(d);
}

/* Goes back to the first flush, if the device lost its cache meanwhile. */
static bool ckpt_redo(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	if (!c->lost)
		return false;
	c->lost = false;
	c->stage = CKPT_DRAIN;
	next_stage(d);
	return true;
}

void checkpoint_continue(struct disk_store *d)
{
	struct checkpoint *c = &d->checkpoint;

	if (disk_is_gone(d))
		return;
	if (c->failed && !c->under_way &&
	    (c->stage == CKPT_RESOLVE || c->stage == CKPT_TABLE || c->stage == CKPT_SUPER)) {
		ckpt_over(d, false);
		return;
	}
	switch (c->stage) {
	case CKPT_IDLE:
		break;
	case CKPT_DRAIN:
		if (!d->changes.changing && !d->journal.committing)
			next_stage(d);
		break;
	case CKPT_FLUSH:
	case CKPT_TABLE_FLUSH:
	case CKPT_SUPER_FLUSH:
		break;
	case CKPT_RESOLVE:
		if (ckpt_resolve(d) && !c->failed)
			next_stage(d);
		break;
	case CKPT_TABLE:
		if (ckpt_table(d) && !c->failed)
			next_stage(d);
		break;
	case CKPT_SUPER:
		if (!ckpt_redo(d))
			ckpt_super(d);
		break;
	case CKPT_DONE:
		if (!ckpt_redo(d))
			begin_anew(d);
		break;
	}
}
