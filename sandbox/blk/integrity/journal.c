/* SPDX-License-Identifier: MIT */
/*
 * journal.c - lines of the journal, on their way to the disk.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h, step 1.
 * Batch:  one at a time, so that what is there after a power cut is a beginning of what was
 *         written. One that failed is written again, before any page behind it.
 */
#include <string.h>

#include "disk_state.h"

static bool room_for(const struct disk_store *d, uint32_t lines)
{
	const struct journal *j = &d->journal;

	return j->index.count + lines <= JOURNAL_ENTRIES &&
	       j->filling - j->super.journal + 1 + JOURNAL_BATCH <= JOURNAL_PAGES;
}

static void page_begin(struct disk_store *d)
{
	struct journal *j = &d->journal;

	j->lines = 0;
	j->filled[j->filling % JOURNAL_PAGES] = j->index.count;
}

static void page_end(struct disk_store *d)
{
	d->journal.filling++;
	page_begin(d);
}

bool journal_has_room(const struct disk_store *d, const struct integrity_job *job)
{
	return d->checkpoint.stage == CKPT_IDLE && room_for(d, job->client->length / d->g.block);
}

void journal_announce(struct disk_store *d, struct integrity_job *job)
{
	struct journal *j = &d->journal;
	const struct rf_io *io = job->client;
	uint64_t block = io->offset / d->g.block;
	uint32_t count = io->length / d->g.block;
	const unsigned char *data = d->base.filter.shown + io->arena;

	if (!j->lines)
		page_begin(d);
	for (uint32_t i = 0; i < count; i++) {
		if (j->lines == JOURNAL_LINES)
			page_end(d);
		uint64_t tag = io->op == RF_BLK_WRITE
				   ? block_tag(d->judge.key, block + i, j->filling,
					       data + (uint64_t)i * d->g.block, d->g.block)
				   : TAG_NOTHING;
		uint32_t line = journal_append(&j->index, block + i, tag, j->filling, ENTRY_DOUBT);
		if (!i) {
			job->line = line;
			job->first_page = j->filling;
		}
		j->lines++;
	}
	job->last_page = j->filling;
}

uint64_t journal_answered(const struct disk_store *d)
{
	const struct changes *ch = &d->changes;
	const struct integrity_clients *c = &d->base.clients;
	uint64_t page = d->journal.written + 1;

	for (const struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if ((job->state == JOB_JOURNAL || job->state == JOB_SEND) && job->first_page < page)
			page = job->first_page;
	return (page < ch->unsure_page ? page : ch->unsure_page) - 1;
}

bool journal_flushed(struct disk_store *d, uint64_t cover)
{
	struct journal *j = &d->journal;
	struct changes *ch = &d->changes;

	if (cover >= ch->unsure_page) /* a cache was lost meanwhile */
		cover = ch->unsure_page - 1;
	if (cover <= j->index.durable)
		return false;
	j->index.durable = cover;
	return true;
}

static void page_make(struct disk_store *d, uint64_t number, struct journal_page *p)
{
	struct journal *j = &d->journal;
	uint32_t from = j->filled[number % JOURNAL_PAGES],
		 to = j->filled[(number + 1) % JOURNAL_PAGES];

	*p = (struct journal_page){
		.number = number, .durable = j->index.durable, .lines = to - from };
	for (uint32_t i = from; i < to; i++)
		p->line[i - from] =
		    (struct journal_line){ j->index.entry[i].block, j->index.entry[i].tag };
	journal_page_seal(d->judge.key, p);
}

static void batch_send(struct disk_store *d)
{
	struct journal *j = &d->journal;
	uint64_t first = j->written + 1;
	struct rf_io *io = &j->io;

	if (!d->disk.cached)
		j->index.durable = journal_answered(d);
	for (uint32_t i = 0; i < j->committing; i++) {
		struct journal_page page;

		page_make(d, first + i, &page);
		memcpy((char *)disk_shared(d, j->arena) + i * DISK_PAGE, &page, DISK_PAGE);
	}
	j->lost = false;
	io->op = RF_BLK_WRITE;
	io->flags = disk_through(d);
	io->length = j->committing * DISK_PAGE;
	io->offset = d->g.journal_at + first % JOURNAL_PAGES * DISK_PAGE;
	io->arena = j->arena;
	internal_send(d, io);
}

static void flush_behind(struct disk_store *d)
{
	struct journal *j = &d->journal;

	j->io.op = RF_BLK_FLUSH;
	j->io.flags = 0;
	j->io.length = 0;
	j->io.offset = 0;
	internal_send(d, &j->io);
}

static void batch_done(struct rf_io *io, int status)
{
	struct disk_store *d = disk_store_holding(io, journal.io);
	struct journal *j = &d->journal;

	if (!disk_is_gone(d) && j->lost) {
		batch_send(d);
		return;
	}
	if (!status && d->disk.cached && !d->disk.fua && io->op == RF_BLK_WRITE) {
		flush_behind(d);
		return;
	}
	if (!status)
		j->written += j->committing;
	else if (io->op == RF_BLK_FLUSH)
		integrity_lost(&d->base); /* after a failed flush unwritten data may be gone */
	j->committing = 0;
	d->events->committed(d, status);
}

static bool mark_due(const struct disk_store *d)
{
	const struct journal *j = &d->journal;

	return j->mark && d->checkpoint.stage == CKPT_IDLE && j->filling - 1 == j->written &&
	       room_for(d, 0);
}

void journal_commit(struct disk_store *d)
{
	struct journal *j = &d->journal;

	if (j->committing || disk_is_gone(d))
		return;
	if (j->lines || mark_due(d)) {
		if (!j->lines)
			page_begin(d);
		page_end(d);
		j->mark = false;
	}
	uint64_t pages = j->filling - 1 - j->written, first = (j->written + 1) % JOURNAL_PAGES;
	if (!pages)
		return;
	if (pages > JOURNAL_BATCH)
		pages = JOURNAL_BATCH;
	if (pages > JOURNAL_PAGES - first)
		pages = JOURNAL_PAGES - first;
	if (pages > d->disk.most)
		pages = d->disk.most;
	j->committing = (uint32_t)pages;
	batch_send(d);
}

/* Has what is durable written down. Nothing waits for it: until then an older version would be
 * accepted too after a restart. */
bool journal_durable(struct disk_store *d)
{
	if (d->disk.read_only)
		return false;
	journal_commit(d);
	return d->changes.unsure_page != ~0ull || (d->journal.mark && !room_for(d, 0));
}

void journal_init(struct disk_store *d)
{
	d->journal.io = (struct rf_io){ .done = batch_done, .internal = true };
}
