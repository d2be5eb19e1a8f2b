/* SPDX-License-Identifier: MIT */
/*
 * ward.c - `integrity disk` as a store: a change is announced and sent, a read judged.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h.
 */
#include "ward_inside.h"

#include <errno.h>
#include <string.h>

/* ---- small requests of our own ---------------------------------------------------------------- */

uint8_t ward_through(const struct rf_ward *w)
{
	return w->disk.fua ? RF_BLK_FUA : 0;
}

struct ward_op *ward_op_take(struct rf_ward *w)
{
	if (w->own.count)
		return w->own.free[--w->own.count];
	w->own.starved = true;
	return NULL;
}

void ward_op_give(struct ward_op *op)
{
	op->ward->own.free[op->ward->own.count++] = op;
}

/* ---- read ------------------------------------------------------------------------------------ */

/* Asks for what is not here. */
static bool pages_here(struct rf_ward *w, const struct integrity_job *job)
{
	uint64_t page = ward_page_of(&w->g, integrity_first(job));
	uint64_t last = ward_page_of(&w->g, integrity_last(job));
	bool all = true;

	for (; page <= last; page++) {
		if (ward_table_page(w, page))
			continue;
		ward_table_want(w, page);
		all = false;
	}
	return all;
}

static void disk_expect(struct integrity *i, struct integrity_job *job)
{
	pages_here(ward_of(i), job);
}

static int disk_judge(struct integrity *i, struct integrity_job *job, unsigned char *data)
{
	struct rf_ward *w = ward_of(i);
	uint32_t size = w->g.block;

	if (!pages_here(w, job))
		return -EAGAIN;
	for (uint64_t b = integrity_first(job); b <= integrity_last(job); b++, data += size) {
		void *page = ward_table_page(w, ward_page_of(&w->g, b));
		enum ward_verdict v = ward_judge(&w->judge, &w->journal.notes, b, data, ward_entry_in(&w->g, page, b));

		if (v == WARD_WRONG) {
			integrity_caught(i, b * size, "data");
			return -EIO;
		}
		if (v == WARD_ZEROES)
			memset(data, 0, size);
	}
	return 0;
}

void ward_loaded(struct rf_ward *w, uint64_t page, int status)
{
	struct integrity_clients *c = &w->base.clients;

	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++) {
		if (job->state != JOB_JUDGE || page < ward_page_of(&w->g, integrity_first(job)) ||
		    page > ward_page_of(&w->g, integrity_last(job)))
			continue;
		if (status)
			integrity_finish(job, -EIO);
		else
			integrity_judge(job);
	}
	if (status)
		ward_checkpoint_missed(w, page);
	else
		ward_checkpoint_go(w);
}

void ward_relieve(struct rf_ward *w)
{
	struct integrity_clients *c = &w->base.clients;

	if (!w->own.starved || !w->own.count)
		return;
	w->own.starved = false;
	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if (job->state == JOB_JUDGE)
			integrity_judge(job);
}

/* ---- change ------------------------------------------------------------------------------------ */

static void list_init(struct ward_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_add(struct ward_list *l, struct integrity_job *job)
{
	job->next = NULL;
	*l->tail = job;
	l->tail = &job->next;
}

static struct integrity_job *list_take(struct ward_list *l)
{
	struct integrity_job *job = l->head;

	l->head = job->next;
	if (!l->head)
		l->tail = &l->head;
	return job;
}

uint64_t ward_answered(const struct rf_ward *w)
{
	const struct ward_changes *ch = &w->changes;
	const struct integrity_clients *c = &w->base.clients;
	uint64_t page = w->journal.written + 1;

	for (const struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if ((job->state == JOB_JOURNAL || job->state == JOB_SEND) && job->first_page < page)
			page = job->first_page;
	return (page < ch->unsure_page ? page : ch->unsure_page) - 1;
}

bool ward_flushed(struct rf_ward *w, uint64_t cover)
{
	struct ward_journal *j = &w->journal;
	struct ward_changes *ch = &w->changes;

	if (cover >= ch->unsure_page) /* a cache was lost meanwhile */
		cover = ch->unsure_page - 1;
	if (cover <= j->notes.durable)
		return false;
	j->notes.durable = cover;
	return true;
}

static void change_over(struct rf_ward *w, struct integrity_job *job, int status)
{
	struct ward_changes *ch = &w->changes;

	if (status && job->first_page < ch->unsure_page)
		ch->unsure_page = job->first_page;
	ch->changing--;
	integrity_finish(job, status);
	if (!ch->changing)
		ward_checkpoint_go(w);
}

static void disk_changed(struct integrity *i, struct integrity_job *job, int status)
{
	struct rf_ward *w = ward_of(i);
	uint32_t count = job->client->length / w->g.block;
	uint32_t is = !w->disk.cached || job->client->flags & RF_BLK_FUA ? KNOWN_STABLE : 0;

	for (uint32_t n = 0; n < count && !status; n++)
		w->journal.notes.known[job->line + n].is = is;
	change_over(w, job, status);
}

void ward_announced(struct rf_ward *w, int status)
{
	struct ward_changes *ch = &w->changes;

	while (ch->announced.head && (status || ch->announced.head->last_page <= w->journal.written)) {
		struct integrity_job *job = list_take(&ch->announced);

		if (status)
			change_over(w, job, -EIO);
		else
			integrity_send(job);
	}
}

static void change_announce(struct rf_ward *w, struct integrity_job *job)
{
	struct ward_changes *ch = &w->changes;

	ward_announce(w, job);
	ch->changing++;
	job->state = JOB_JOURNAL;
	list_add(&ch->announced, job);
}

static void disk_change(struct integrity *i, struct integrity_job *job)
{
	struct rf_ward *w = ward_of(i);
	struct ward_changes *ch = &w->changes;

	if (ward_gone(w)) {
		integrity_finish(job, -EIO);
	} else if (!ch->room.head && ward_has_room(w, job)) {
		change_announce(w, job);
		ward_commit(w);
	} else {
		job->state = JOB_ROOM;
		list_add(&ch->room, job);
		ward_checkpoint(w);
	}
}

void ward_room(struct rf_ward *w, int status)
{
	struct ward_changes *ch = &w->changes;

	while (ch->room.head && (status || ward_has_room(w, ch->room.head))) {
		struct integrity_job *job = list_take(&ch->room);

		if (!ward_gone(w) && ward_has_room(w, job))
			change_announce(w, job);
		else
			integrity_finish(job, -EIO);
	}
	ward_commit(w);
	if (ch->room.head)
		ward_checkpoint(w);
}

/* ---- flush ------------------------------------------------------------------------------------- */

static void disk_flush(struct integrity *i, struct integrity_job *job)
{
	job->cover = ward_answered(ward_of(i));
}

static void disk_flushed(struct integrity *i, struct integrity_job *job, int status)
{
	struct rf_ward *w = ward_of(i);

	if (status) {
		integrity_lost(i); /* the device may have dropped what it could not write */
	} else {
		w->journal.mark |= ward_flushed(w, job->cover);
		ward_mark(w);
	}
	integrity_finish(job, status);
}

/* ---- what happens to the disk -------------------------------------------------------------------- */

/* From a checkpoint's first flush on, clients' data is stable. Until another one is over,
 * no page with lines in doubt is called durable: a restart finds the doubt in the journal. */
static void doubt(struct rf_ward *w)
{
	struct ward_changes *ch = &w->changes;
	uint64_t page = w->disk.cached && w->checkpoint.stage < CKPT_RESOLVE ? ward_notes_lost(&w->journal.notes) : ~0ull;

	if (page < ch->unsure_page)
		ch->unsure_page = page;
	if (page != ~0ull && w->start.phase == WARD_OPEN && !ward_gone(w) && !w->disk.read_only)
		ward_checkpoint(w);
}

static void disk_lost(struct integrity *i)
{
	struct rf_ward *w = ward_of(i);
	struct ward_journal *j = &w->journal;

	if (!w->disk.cached)
		return;
	j->lost = j->committing != 0;
	w->checkpoint.lost |= w->checkpoint.stage >= CKPT_TABLE;
	/* Of the table pages just written the old ones may come back. */
	for (uint32_t n = 0; n < j->notes.count && w->checkpoint.unflushed_table; n++)
		w->table.digest[ward_page_of(&w->g, j->notes.known[n].block)] = 0;
	doubt(w);
}

static void disk_gone(struct integrity *i)
{
	ward_announced(ward_of(i), -EIO);
	ward_room(ward_of(i), -EIO);
}

/* What was under way ended with the device: its export is replaced. */
static int disk_back(struct integrity *i)
{
	(void)i;
	return -EPIPE;
}

static bool disk_ready(const struct integrity *i)
{
	return ((const struct rf_ward *)i)->start.phase == WARD_OPEN || integrity_gone(i);
}

void ward_changes_init(struct rf_ward *w)
{
	struct ward_changes *ch = &w->changes;

	ch->unsure_page = ~0ull;
	list_init(&ch->room);
	list_init(&ch->announced);
}

const struct integrity_store integrity_disk = {
	.open = ward_open, .close = ward_close, .disk = ward_disk, .ready = disk_ready,
	.expect = disk_expect, .judge = disk_judge, .change = disk_change, .changed = disk_changed,
	.flush = disk_flush, .flushed = disk_flushed, .up = ward_up, .lost = disk_lost,
	.gone = disk_gone, .back = disk_back,
};
