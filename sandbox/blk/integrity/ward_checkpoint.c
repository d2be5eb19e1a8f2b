/* SPDX-License-Identifier: MIT */
/*
 * ward_checkpoint.c - from the journal to the table, so that the journal may begin anew.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h, step 3.
 * Doubt:  of lines that may not have reached the disk, the block itself tells which one is
 *         right; one that is of no version keeps the newest tag, and reads as EIO.
 * Loss:   if the device forgets what was not flushed, all of it is done again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ward_inside.h"

#define AHEAD 16u /* table pages asked for at once */
#define CKPT_ROUNDS 2u /* more ones, for blocks that cannot be read; then their newest is right */

static void ckpt_over(struct rf_ward *w, bool well)
{
	w->checkpoint.stage = CKPT_IDLE;
	if (w->start.phase == WARD_STARTING)
		ward_started(w, well);
	else
		ward_room(w, well ? 0 : -EIO);
}

/* ---- flush ------------------------------------------------------------------------------- */

static void ckpt_flush(struct rf_ward *w);
static void ckpt_sort(struct rf_ward *w);

static void next_stage(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	c->stage++;
	c->at = 0;
	if (c->stage == CKPT_SUPER_FLUSH && w->disk.fua)
		c->stage++;
	if (c->stage == CKPT_RESOLVE)
		ckpt_sort(w);
	if (c->stage == CKPT_FLUSH || c->stage == CKPT_TABLE_FLUSH || c->stage == CKPT_SUPER_FLUSH)
		ckpt_flush(w);
	else
		ward_checkpoint_go(w);
}

static void ckpt_flushed(struct rf_io *io, int status)
{
	struct rf_ward *w = (struct rf_ward *)((char *)io - offsetof(struct rf_ward, checkpoint.io));
	struct ward_checkpoint *c = &w->checkpoint;

	if (status && !ward_gone(w))
		rf_blk_lost(integrity_below(&w->base)); /* nobody else would tell the clients */
	if (status) {
		ckpt_over(w, false);
	} else {
		ward_flushed(w, c->cover);
		c->unflushed_table = false;
		next_stage(w);
	}
}

static void ckpt_flush(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	c->cover = ward_answered(w);
	if (!w->disk.cached) {
		ward_flushed(w, c->cover);
		next_stage(w);
		return;
	}
	c->io = (struct rf_io){ .op = RF_BLK_FLUSH, .done = ckpt_flushed, .internal = true };
	ward_send(w, &c->io);
}

/* ---- in order of blocks ------------------------------------------------------------------ */

static int by_block(const void *a, const void *b)
{
	const struct ward_order *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

static void ckpt_sort(struct rf_ward *w)
{
	struct ward_notes *n = &w->journal.notes;
	struct ward_checkpoint *c = &w->checkpoint;

	for (uint32_t i = 0; i < n->count; i++)
		c->order[i] = (struct ward_order){ n->known[i].block };
	qsort(c->order, n->count, sizeof(c->order[0]), by_block);
}

static uint32_t next_block(const struct rf_ward *w, uint32_t at)
{
	const struct ward_checkpoint *c = &w->checkpoint;
	uint64_t block = c->order[at].block;

	while (at < w->journal.notes.count && c->order[at].block == block)
		at++;
	return at;
}

static void look_ahead(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;
	uint64_t last = ~0ull;

	for (uint32_t i = c->at, n = 0; i < w->journal.notes.count && n < AHEAD; i++) {
		uint64_t page = ward_page_of(&w->g, c->order[i].block);

		if (page == last)
			continue;
		last = page;
		n++;
		if (!ward_table_page(w, page))
			ward_table_want(w, page);
	}
}

/* The table page of the block whose turn it is; NULL: it is on its way. */
static void *page_now(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;
	void *page = ward_table_page(w, ward_page_of(&w->g, c->order[c->at].block));

	if (!page)
		look_ahead(w);
	return page;
}

/* ---- doubt --------------------------------------------------------------------------------- */

static void resolved(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;
	struct ward_journal *j = &w->journal;
	struct ward_checkpoint *c = &w->checkpoint;
	uint64_t block = op->what;
	unsigned char data[WARD_PAGE];
	void *page = ward_table_page(w, ward_page_of(&w->g, block));
	struct ward_known *newest = ward_newest(&j->notes, block);

	memcpy(data, ward_shared(w, op->io.arena), w->g.block);
	if (!page || (status && c->rounds < CKPT_ROUNDS))
		c->again = true;
	else if (newest && (status || ward_judge(&w->judge, &j->notes, block, data,
						 ward_entry_in(&w->g, page, block)) == WARD_WRONG))
		newest->is &= ~KNOWN_DOUBT;
	ward_op_give(op);
	c->under_way--;
	ward_checkpoint_go(w);
}

/* True: every block's right version is known. */
static bool ckpt_resolve(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;
	struct ward_checkpoint *c = &w->checkpoint;

	for (; c->at < j->notes.count && !c->failed; c->at = next_block(w, c->at)) {
		uint64_t block = c->order[c->at].block;
		const struct ward_known *k = ward_newest(&j->notes, block);
		struct ward_op *op;

		if (!k || !(k->is & KNOWN_DOUBT))
			continue;
		if (!page_now(w) || !(op = ward_op_take(w)))
			return false;
		op->what = block;
		op->then = resolved;
		op->io.op = RF_BLK_READ;
		op->io.flags = 0;
		op->io.length = w->g.block;
		op->io.offset = block * w->g.block;
		c->under_way++;
		ward_send(w, &op->io);
	}
	if (c->under_way)
		return false;
	if (!c->again)
		return true;
	c->again = false;
	c->rounds++;
	c->at = 0;
	return ckpt_resolve(w);
}

/* ---- table --------------------------------------------------------------------------------- */

static void page_written(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;
	struct ward_checkpoint *c = &w->checkpoint;

	if (status) {
		w->table.digest[op->what] = 0;
		c->failed = true;
	}
	ward_op_give(op);
	c->under_way--;
	ward_checkpoint_go(w);
}

/* Where `at` then stands is the next page. */
static void page_fill(struct rf_ward *w, void *bytes, uint64_t page)
{
	struct ward_journal *j = &w->journal;
	struct ward_checkpoint *c = &w->checkpoint;

	while (c->at < j->notes.count && ward_page_of(&w->g, c->order[c->at].block) == page) {
		uint64_t block = c->order[c->at].block;
		const struct ward_known *k = ward_newest(&j->notes, block);

		if (k)
			*ward_entry_in(&w->g, bytes, block) = (struct ward_entry){ k->generation, k->tag };
		c->at = next_block(w, c->at);
	}
	ward_table_seal(w->judge.key, &w->g, bytes, page, j->super.number + 1);
	w->table.digest[page] = ward_table_digest(w->judge.key, &w->g, bytes, page);
}

/* True: all pages are written. */
static bool ckpt_table(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	while (c->at < w->journal.notes.count && !c->failed) {
		uint64_t page = ward_page_of(&w->g, c->order[c->at].block);
		void *bytes = page_now(w);
		struct ward_op *op = bytes ? ward_op_take(w) : NULL;

		if (!op)
			return false;
		page_fill(w, bytes, page);
		c->unflushed_table = true;
		memcpy(ward_shared(w, op->io.arena), bytes, WARD_PAGE);
		op->what = page;
		op->then = page_written;
		op->io.op = RF_BLK_WRITE;
		op->io.flags = 0;
		op->io.length = WARD_PAGE;
		op->io.offset = w->g.table_at + page * WARD_PAGE;
		c->under_way++;
		ward_send(w, &op->io);
	}
	return !c->under_way;
}

/* ---- superblock ---------------------------------------------------------------------------- */

static void super_make(struct rf_ward *w, struct ward_super *next)
{
	struct ward_journal *j = &w->journal;

	*next = j->super;
	next->number++;
	next->journal = j->filling + (j->lines != 0);
	ward_super_seal(w->master, next);
}

static void super_done(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;
	struct ward_checkpoint *c = &w->checkpoint;

	ward_op_give(op);
	c->under_way--;
	c->failed |= status != 0;
	if (status)
		ward_checkpoint_go(w);
	else
		next_stage(w);
}

static void ckpt_super(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;
	struct ward_super next;
	struct ward_op *op = c->under_way ? NULL : ward_op_take(w);

	if (!op)
		return;
	super_make(w, &next);
	memset(ward_shared(w, op->io.arena), 0, WARD_PAGE);
	memcpy(ward_shared(w, op->io.arena), &next, sizeof(next));
	op->then = super_done;
	op->io.op = RF_BLK_WRITE;
	op->io.flags = ward_through(w);
	op->io.length = WARD_PAGE;
	op->io.offset = w->g.super_at + next.number % 2 * WARD_PAGE;
	c->under_way++;
	ward_send(w, &op->io);
}

/* The journal is empty. */
static void begin_anew(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;
	struct ward_super next;

	super_make(w, &next);
	j->super = next;
	j->filling = next.journal;
	j->written = j->notes.durable = j->filling - 1;
	j->lines = 0;
	w->changes.unsure_page = ~0ull;
	j->mark = false;
	ward_notes_clear(&j->notes);
	ckpt_over(w, true);
}

/* ---- all of it ----------------------------------------------------------------------------- */

void ward_checkpoint(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	if (c->stage != CKPT_IDLE)
		return;
	c->stage = CKPT_DRAIN;
	c->lost = c->again = c->failed = false;
	c->rounds = 0;
	ward_checkpoint_go(w);
}

void ward_checkpoint_missed(struct rf_ward *w, uint64_t page)
{
	struct ward_checkpoint *c = &w->checkpoint;

	if ((c->stage == CKPT_RESOLVE || c->stage == CKPT_TABLE) && c->at < w->journal.notes.count &&
	    ward_page_of(&w->g, c->order[c->at].block) == page)
		c->failed = true;
	ward_checkpoint_go(w);
}

/* Back to the first flush, if the device has forgotten something meanwhile. */
static bool ckpt_redo(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	if (!c->lost)
		return false;
	c->lost = false;
	c->stage = CKPT_DRAIN;
	next_stage(w);
	return true;
}

void ward_checkpoint_go(struct rf_ward *w)
{
	struct ward_checkpoint *c = &w->checkpoint;

	if (ward_gone(w))
		return;
	if (c->failed && !c->under_way &&
	    (c->stage == CKPT_RESOLVE || c->stage == CKPT_TABLE || c->stage == CKPT_SUPER)) {
		ckpt_over(w, false);
		return;
	}
	switch (c->stage) {
	case CKPT_IDLE:
		break;
	case CKPT_DRAIN:
		if (!w->changes.changing && !w->journal.committing)
			next_stage(w);
		break;
	case CKPT_FLUSH:
	case CKPT_TABLE_FLUSH:
	case CKPT_SUPER_FLUSH:
		break;
	case CKPT_RESOLVE:
		if (ckpt_resolve(w) && !c->failed)
			next_stage(w);
		break;
	case CKPT_TABLE:
		if (ckpt_table(w) && !c->failed)
			next_stage(w);
		break;
	case CKPT_SUPER:
		if (!ckpt_redo(w))
			ckpt_super(w);
		break;
	case CKPT_DONE:
		if (!ckpt_redo(w))
			begin_anew(w);
		break;
	}
}
