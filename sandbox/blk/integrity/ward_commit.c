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
	const struct ward_journal *j = &w->journal;

	return j->notes.count + lines <= WARD_KNOWN &&
	       j->filling - j->super.journal + 1 + WARD_BATCH <= WARD_JOURNAL;
}

static void page_begin(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;

	j->lines = 0;
	j->filled[j->filling % WARD_JOURNAL] = j->notes.count;
}

static void page_end(struct rf_ward *w)
{
	w->journal.filling++;
	page_begin(w);
}

bool ward_has_room(const struct rf_ward *w, const struct integrity_job *job)
{
	return w->checkpoint.stage == CKPT_IDLE && room_for(w, job->client->length / w->g.block);
}

void ward_announce(struct rf_ward *w, struct integrity_job *job)
{
	struct ward_journal *j = &w->journal;
	const struct rf_io *io = job->client;
	uint64_t block = io->offset / w->g.block;
	uint32_t count = io->length / w->g.block;
	const unsigned char *data = w->base.filter.shown + io->arena;

	if (!j->lines)
		page_begin(w);
	for (uint32_t i = 0; i < count; i++) {
		if (j->lines == WARD_LINES)
			page_end(w);
		uint64_t tag = io->op == RF_BLK_WRITE
			? ward_tag(w->judge.key, block + i, j->filling, data + (uint64_t)i * w->g.block, w->g.block)
			: WARD_NOTHING;
		uint32_t line = ward_note(&j->notes, block + i, tag, j->filling, KNOWN_DOUBT);
		if (!i) {
			job->line = line;
			job->first_page = j->filling;
		}
		j->lines++;
	}
	job->last_page = j->filling;
}

static void page_make(struct rf_ward *w, uint64_t number, struct ward_page *p)
{
	struct ward_journal *j = &w->journal;
	uint32_t from = j->filled[number % WARD_JOURNAL], to = j->filled[(number + 1) % WARD_JOURNAL];

	*p = (struct ward_page){ .number = number, .durable = j->notes.durable, .lines = to - from };
	for (uint32_t i = from; i < to; i++)
		p->line[i - from] = (struct ward_line){ j->notes.known[i].block, j->notes.known[i].tag };
	ward_page_seal(w->judge.key, p);
}

static void batch_send(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;
	uint64_t first = j->written + 1;
	struct rf_io *io = &j->io;

	if (!w->disk.cached)
		j->notes.durable = ward_answered(w);
	for (uint32_t i = 0; i < j->committing; i++) {
		struct ward_page page;

		page_make(w, first + i, &page);
		memcpy((char *)ward_shared(w, j->arena) + i * WARD_PAGE, &page, WARD_PAGE);
	}
	j->lost = false;
	io->op = RF_BLK_WRITE;
	io->flags = ward_through(w);
	io->length = j->committing * WARD_PAGE;
	io->offset = w->g.journal_at + first % WARD_JOURNAL * WARD_PAGE;
	io->arena = j->arena;
	ward_send(w, io);
}

static void flush_behind(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;

	j->io.op = RF_BLK_FLUSH;
	j->io.flags = 0;
	j->io.length = 0;
	j->io.offset = 0;
	ward_send(w, &j->io);
}

static void batch_done(struct rf_io *io, int status)
{
	struct rf_ward *w = (struct rf_ward *)((char *)io - offsetof(struct rf_ward, journal.io));
	struct ward_journal *j = &w->journal;

	if (!ward_gone(w) && j->lost) {
		batch_send(w);
		return;
	}
	if (!status && w->disk.cached && !w->disk.fua && io->op == RF_BLK_WRITE) {
		flush_behind(w);
		return;
	}
	if (!status)
		j->written += j->committing;
	else if (io->op == RF_BLK_FLUSH)
		integrity_lost(&w->base); /* the device may have dropped what it could not write */
	j->committing = 0;
	ward_announced(w, status);
	if (!status)
		ward_commit(w);
	ward_checkpoint_go(w); /* this may have been all that it waited for */
}

static bool mark_due(const struct rf_ward *w)
{
	const struct ward_journal *j = &w->journal;

	return j->mark && w->checkpoint.stage == CKPT_IDLE && j->filling - 1 == j->written && room_for(w, 0);
}

void ward_commit(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;

	if (j->committing || ward_gone(w))
		return;
	if (j->lines || mark_due(w)) {
		if (!j->lines)
			page_begin(w);
		page_end(w);
		j->mark = false;
	}
	uint64_t pages = j->filling - 1 - j->written, first = (j->written + 1) % WARD_JOURNAL;
	if (!pages)
		return;
	if (pages > WARD_BATCH)
		pages = WARD_BATCH;
	if (pages > WARD_JOURNAL - first)
		pages = WARD_JOURNAL - first;
	if (pages > w->disk.most)
		pages = w->disk.most;
	j->committing = (uint32_t)pages;
	batch_send(w);
}

/* Not waited for: until it is there an older version would be taken for right, too. */
void ward_mark(struct rf_ward *w)
{
	if (w->disk.read_only)
		return;
	ward_commit(w);
	if (w->changes.unsure_page != ~0ull || (w->journal.mark && !room_for(w, 0)))
		ward_checkpoint(w); /* it says so, too */
}

void ward_commit_init(struct rf_ward *w)
{
	w->journal.io = (struct rf_io){ .done = batch_done, .internal = true };
}
