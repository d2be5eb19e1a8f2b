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
	w->stage = CKPT_IDLE;
	if (w->phase == WARD_STARTING)
		ward_started(w, well);
	else
		ward_room(w, well ? 0 : -EIO);
}

/* ---- flush ------------------------------------------------------------------------------- */

static void ckpt_flush(struct rf_ward *w);
static void ckpt_sort(struct rf_ward *w);

static void next_stage(struct rf_ward *w)
{
	w->stage++;
	w->at = 0;
	if (w->stage == CKPT_SUPER_FLUSH && w->fua)
		w->stage++;
	if (w->stage == CKPT_RESOLVE)
		ckpt_sort(w);
	if (w->stage == CKPT_FLUSH || w->stage == CKPT_TABLE_FLUSH || w->stage == CKPT_SUPER_FLUSH)
		ckpt_flush(w);
	else
		ward_checkpoint_go(w);
}

static void ckpt_flushed(struct rf_io *io, int status)
{
	struct rf_ward *w = (struct rf_ward *)((char *)io - offsetof(struct rf_ward, flush_io));

	if (status && !ward_gone(w))
		rf_blk_lost(integrity_below(&w->base)); /* nobody else would tell the clients */
	if (status) {
		ckpt_over(w, false);
	} else {
		ward_flushed(w, w->cover);
		w->unflushed_table = false;
		next_stage(w);
	}
}

static void ckpt_flush(struct rf_ward *w)
{
	w->cover = ward_answered(w);
	if (!w->cached) {
		ward_flushed(w, w->cover);
		next_stage(w);
		return;
	}
	w->flush_io = (struct rf_io){ .op = RF_BLK_FLUSH, .done = ckpt_flushed, .internal = true };
	ward_send(w, &w->flush_io);
}

/* ---- in order of blocks ------------------------------------------------------------------ */

static int by_block(const void *a, const void *b)
{
	const struct ward_order *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

static void ckpt_sort(struct rf_ward *w)
{
	for (uint32_t i = 0; i < w->notes.count; i++)
		w->order[i] = (struct ward_order){ w->notes.known[i].block };
	qsort(w->order, w->notes.count, sizeof(w->order[0]), by_block);
}

static uint32_t next_block(const struct rf_ward *w, uint32_t at)
{
	uint64_t block = w->order[at].block;

	while (at < w->notes.count && w->order[at].block == block)
		at++;
	return at;
}

static void look_ahead(struct rf_ward *w)
{
	uint64_t last = ~0ull;

	for (uint32_t i = w->at, n = 0; i < w->notes.count && n < AHEAD; i++) {
		uint64_t page = ward_page_of(&w->g, w->order[i].block);

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
	void *page = ward_table_page(w, ward_page_of(&w->g, w->order[w->at].block));

	if (!page)
		look_ahead(w);
	return page;
}

/* ---- doubt --------------------------------------------------------------------------------- */

static void resolved(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;
	uint64_t block = op->what;
	unsigned char data[WARD_PAGE];
	void *page = ward_table_page(w, ward_page_of(&w->g, block));
	struct ward_known *newest = ward_newest(&w->notes, block);

	memcpy(data, ward_shared(w, op->io.arena), w->g.block);
	if (!page || (status && w->rounds < CKPT_ROUNDS))
		w->ckpt_again = true;
	else if (newest && (status || ward_judge(&w->judge, &w->notes, block, data,
						 ward_entry_in(&w->g, page, block)) == WARD_WRONG))
		newest->is &= ~KNOWN_DOUBT;
	ward_op_give(op);
	w->under_way--;
	ward_checkpoint_go(w);
}

/* True: every block's right version is known. */
static bool ckpt_resolve(struct rf_ward *w)
{
	for (; w->at < w->notes.count && !w->ckpt_failed; w->at = next_block(w, w->at)) {
		uint64_t block = w->order[w->at].block;
		const struct ward_known *k = ward_newest(&w->notes, block);
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
		w->under_way++;
		ward_send(w, &op->io);
	}
	if (w->under_way)
		return false;
	if (!w->ckpt_again)
		return true;
	w->ckpt_again = false;
	w->rounds++;
	w->at = 0;
	return ckpt_resolve(w);
}

/* ---- table --------------------------------------------------------------------------------- */

static void page_written(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;

	if (status) {
		w->table.digest[op->what] = 0;
		w->ckpt_failed = true;
	}
	ward_op_give(op);
	w->under_way--;
	ward_checkpoint_go(w);
}

/* Where `at` then stands is the next page. */
static void page_fill(struct rf_ward *w, void *bytes, uint64_t page)
{
	while (w->at < w->notes.count && ward_page_of(&w->g, w->order[w->at].block) == page) {
		uint64_t block = w->order[w->at].block;
		const struct ward_known *k = ward_newest(&w->notes, block);

		if (k)
			*ward_entry_in(&w->g, bytes, block) = (struct ward_entry){ k->generation, k->tag };
		w->at = next_block(w, w->at);
	}
	ward_table_seal(w->judge.key, &w->g, bytes, page, w->super.number + 1);
	w->table.digest[page] = ward_table_digest(w->judge.key, &w->g, bytes, page);
}

/* True: all pages are written. */
static bool ckpt_table(struct rf_ward *w)
{
	while (w->at < w->notes.count && !w->ckpt_failed) {
		uint64_t page = ward_page_of(&w->g, w->order[w->at].block);
		void *bytes = page_now(w);
		struct ward_op *op = bytes ? ward_op_take(w) : NULL;

		if (!op)
			return false;
		page_fill(w, bytes, page);
		w->unflushed_table = true;
		memcpy(ward_shared(w, op->io.arena), bytes, WARD_PAGE);
		op->what = page;
		op->then = page_written;
		op->io.op = RF_BLK_WRITE;
		op->io.flags = 0;
		op->io.length = WARD_PAGE;
		op->io.offset = w->g.table_at + page * WARD_PAGE;
		w->under_way++;
		ward_send(w, &op->io);
	}
	return !w->under_way;
}

/* ---- superblock ---------------------------------------------------------------------------- */

static void super_make(struct rf_ward *w, struct ward_super *next)
{
	*next = w->super;
	next->number++;
	next->journal = w->filling + (w->lines != 0);
	ward_super_seal(w->master, next);
}

static void super_done(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;

	ward_op_give(op);
	w->under_way--;
	w->ckpt_failed |= status != 0;
	if (status)
		ward_checkpoint_go(w);
	else
		next_stage(w);
}

static void ckpt_super(struct rf_ward *w)
{
	struct ward_super next;
	struct ward_op *op = w->under_way ? NULL : ward_op_take(w);

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
	w->under_way++;
	ward_send(w, &op->io);
}

/* The journal is empty. */
static void begin_anew(struct rf_ward *w)
{
	struct ward_super next;

	super_make(w, &next);
	w->super = next;
	w->filling = next.journal;
	w->written = w->notes.durable = w->filling - 1;
	w->lines = 0;
	w->unsure_page = ~0ull;
	w->mark = false;
	ward_notes_clear(&w->notes);
	ckpt_over(w, true);
}

/* ---- all of it ----------------------------------------------------------------------------- */

void ward_checkpoint(struct rf_ward *w)
{
	if (w->stage != CKPT_IDLE)
		return;
	w->stage = CKPT_DRAIN;
	w->ckpt_lost = w->ckpt_again = w->ckpt_failed = false;
	w->rounds = 0;
	ward_checkpoint_go(w);
}

void ward_checkpoint_missed(struct rf_ward *w, uint64_t page)
{
	if ((w->stage == CKPT_RESOLVE || w->stage == CKPT_TABLE) && w->at < w->notes.count &&
	    ward_page_of(&w->g, w->order[w->at].block) == page)
		w->ckpt_failed = true;
	ward_checkpoint_go(w);
}

/* Back to the first flush, if the device has forgotten something meanwhile. */
static bool ckpt_redo(struct rf_ward *w)
{
	if (!w->ckpt_lost)
		return false;
	w->ckpt_lost = false;
	w->stage = CKPT_DRAIN;
	next_stage(w);
	return true;
}

void ward_checkpoint_go(struct rf_ward *w)
{
	if (ward_gone(w))
		return;
	if (w->ckpt_failed && !w->under_way &&
	    (w->stage == CKPT_RESOLVE || w->stage == CKPT_TABLE || w->stage == CKPT_SUPER)) {
		ckpt_over(w, false);
		return;
	}
	switch (w->stage) {
	case CKPT_IDLE:
		break;
	case CKPT_DRAIN:
		if (!w->changing && !w->committing)
			next_stage(w);
		break;
	case CKPT_FLUSH:
	case CKPT_TABLE_FLUSH:
	case CKPT_SUPER_FLUSH:
		break;
	case CKPT_RESOLVE:
		if (ckpt_resolve(w) && !w->ckpt_failed)
			next_stage(w);
		break;
	case CKPT_TABLE:
		if (ckpt_table(w) && !w->ckpt_failed)
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
