/* SPDX-License-Identifier: MIT */
/*
 * ward_commit.c - lines of the journal, on their way to the disk.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h, step 1.
 * Batch:  one at a time, so that what is there after a power cut is a beginning of what was
 *         written. One that failed is written again, before any page behind it.
 */
#include <errno.h>
#include <string.h>

#include "ward_inside.h"

static bool room_for(const struct rf_ward *w, uint32_t lines)
{
	return w->notes.count + lines <= WARD_KNOWN &&
	       w->filling - w->super.journal + 1 + WARD_BATCH <= WARD_JOURNAL;
}

static void page_begin(struct rf_ward *w)
{
	w->lines = 0;
	w->filled[w->filling % WARD_JOURNAL] = w->notes.count;
}

static void page_end(struct rf_ward *w)
{
	w->filling++;
	page_begin(w);
}

bool ward_has_room(const struct rf_ward *w, const struct integrity_job *job)
{
	return w->stage == CKPT_IDLE && room_for(w, job->client->length / w->g.block);
}

void ward_announce(struct rf_ward *w, struct integrity_job *job)
{
	const struct rf_io *io = job->client;
	uint64_t block = io->offset / w->g.block;
	uint32_t count = io->length / w->g.block;
	const unsigned char *data = w->base.filter.shown + io->arena;

	if (!w->lines)
		page_begin(w);
	for (uint32_t i = 0; i < count; i++) {
		if (w->lines == WARD_LINES)
			page_end(w);
		uint64_t tag = io->op == RF_BLK_WRITE
			? ward_tag(w->judge.key, block + i, w->filling, data + (uint64_t)i * w->g.block, w->g.block)
			: WARD_NOTHING;
		uint32_t line = ward_note(&w->notes, block + i, tag, w->filling, KNOWN_DOUBT);
		if (!i) {
			job->line = line;
			job->first_page = w->filling;
		}
		w->lines++;
	}
	job->last_page = w->filling;
}

static void page_make(struct rf_ward *w, uint64_t number, struct ward_page *p)
{
	uint32_t from = w->filled[number % WARD_JOURNAL], to = w->filled[(number + 1) % WARD_JOURNAL];

	*p = (struct ward_page){ .number = number, .durable = w->notes.durable, .lines = to - from };
	for (uint32_t i = from; i < to; i++)
		p->line[i - from] = (struct ward_line){ w->notes.known[i].block, w->notes.known[i].tag };
	ward_page_seal(w->judge.key, p);
}

static void batch_send(struct rf_ward *w)
{
	uint64_t first = w->written + 1;
	struct rf_io *io = &w->commit_io;

	if (!w->cached)
		w->notes.durable = ward_answered(w);
	for (uint32_t i = 0; i < w->committing; i++) {
		struct ward_page page;

		page_make(w, first + i, &page);
		memcpy((char *)ward_shared(w, w->commit_arena) + i * WARD_PAGE, &page, WARD_PAGE);
	}
	w->commit_lost = false;
	io->op = RF_BLK_WRITE;
	io->flags = ward_through(w);
	io->length = w->committing * WARD_PAGE;
	io->offset = w->g.journal_at + first % WARD_JOURNAL * WARD_PAGE;
	io->arena = w->commit_arena;
	ward_send(w, io);
}

static void flush_behind(struct rf_ward *w)
{
	w->commit_io.op = RF_BLK_FLUSH;
	w->commit_io.flags = 0;
	w->commit_io.length = 0;
	w->commit_io.offset = 0;
	ward_send(w, &w->commit_io);
}

static void batch_done(struct rf_io *io, int status)
{
	struct rf_ward *w = (struct rf_ward *)((char *)io - offsetof(struct rf_ward, commit_io));

	if (!ward_gone(w) && w->commit_lost) {
		batch_send(w);
		return;
	}
	if (!status && w->cached && !w->fua && io->op == RF_BLK_WRITE) {
		flush_behind(w);
		return;
	}
	if (!status)
		w->written += w->committing;
	else if (io->op == RF_BLK_FLUSH)
		integrity_lost(&w->base); /* the device may have dropped what it could not write */
	w->committing = 0;
	ward_announced(w, status);
	if (!status)
		ward_commit(w);
	ward_checkpoint_go(w); /* this may have been all that it waited for */
}

static bool mark_due(const struct rf_ward *w)
{
	return w->mark && w->stage == CKPT_IDLE && w->filling - 1 == w->written && room_for(w, 0);
}

void ward_commit(struct rf_ward *w)
{
	if (w->committing || ward_gone(w))
		return;
	if (w->lines || mark_due(w)) {
		if (!w->lines)
			page_begin(w);
		page_end(w);
		w->mark = false;
	}
	uint64_t pages = w->filling - 1 - w->written, first = (w->written + 1) % WARD_JOURNAL;
	if (!pages)
		return;
	if (pages > WARD_BATCH)
		pages = WARD_BATCH;
	if (pages > WARD_JOURNAL - first)
		pages = WARD_JOURNAL - first;
	if (pages > w->most)
		pages = w->most;
	w->committing = (uint32_t)pages;
	batch_send(w);
}

/* Not waited for: until it is there an older version would be taken for right, too. */
void ward_mark(struct rf_ward *w)
{
	if (w->read_only)
		return;
	ward_commit(w);
	if (w->unsure_page != ~0ull || (w->mark && !room_for(w, 0)))
		ward_checkpoint(w); /* it says so, too */
}

void ward_commit_init(struct rf_ward *w)
{
	w->commit_io = (struct rf_io){ .done = batch_done, .internal = true };
}
