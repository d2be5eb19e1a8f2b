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
	return w->fua ? RF_BLK_FUA : 0;
}

struct ward_op *ward_op_take(struct rf_ward *w)
{
	if (w->ops)
		return w->op_free[--w->ops];
	w->starved = true;
	return NULL;
}

void ward_op_give(struct ward_op *op)
{
	op->ward->op_free[op->ward->ops++] = op;
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
		enum ward_verdict v = ward_judge(&w->judge, &w->notes, b, data, ward_entry_in(&w->g, page, b));

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

	if (!w->starved || !w->ops)
		return;
	w->starved = false;
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
	const struct integrity_clients *c = &w->base.clients;
	uint64_t page = w->written + 1;

	for (const struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if ((job->state == JOB_JOURNAL || job->state == JOB_SEND) && job->first_page < page)
			page = job->first_page;
	return (page < w->unsure_page ? page : w->unsure_page) - 1;
}

bool ward_flushed(struct rf_ward *w, uint64_t cover)
{
	if (cover >= w->unsure_page) /* a cache was lost meanwhile */
		cover = w->unsure_page - 1;
	if (cover <= w->notes.durable)
		return false;
	w->notes.durable = cover;
	return true;
}

static void change_over(struct rf_ward *w, struct integrity_job *job, int status)
{
	if (status && job->first_page < w->unsure_page)
		w->unsure_page = job->first_page;
	w->changing--;
	integrity_finish(job, status);
	if (!w->changing)
		ward_checkpoint_go(w);
}

static void disk_changed(struct integrity *i, struct integrity_job *job, int status)
{
	struct rf_ward *w = ward_of(i);
	uint32_t count = job->client->length / w->g.block;
	uint32_t is = !w->cached || job->client->flags & RF_BLK_FUA ? KNOWN_STABLE : 0;

	for (uint32_t n = 0; n < count && !status; n++)
		w->notes.known[job->line + n].is = is;
	change_over(w, job, status);
}

void ward_announced(struct rf_ward *w, int status)
{
	while (w->announced.head && (status || w->announced.head->last_page <= w->written)) {
		struct integrity_job *job = list_take(&w->announced);

		if (status)
			change_over(w, job, -EIO);
		else
			integrity_send(job);
	}
}

static void change_announce(struct rf_ward *w, struct integrity_job *job)
{
	ward_announce(w, job);
	w->changing++;
	job->state = JOB_JOURNAL;
	list_add(&w->announced, job);
}

static void disk_change(struct integrity *i, struct integrity_job *job)
{
	struct rf_ward *w = ward_of(i);

	if (ward_gone(w)) {
		integrity_finish(job, -EIO);
	} else if (!w->room.head && ward_has_room(w, job)) {
		change_announce(w, job);
		ward_commit(w);
	} else {
		job->state = JOB_ROOM;
		list_add(&w->room, job);
		ward_checkpoint(w);
	}
}

void ward_room(struct rf_ward *w, int status)
{
	while (w->room.head && (status || ward_has_room(w, w->room.head))) {
		struct integrity_job *job = list_take(&w->room);

		if (!ward_gone(w) && ward_has_room(w, job))
			change_announce(w, job);
		else
			integrity_finish(job, -EIO);
	}
	ward_commit(w);
	if (w->room.head)
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
		w->mark |= ward_flushed(w, job->cover);
		ward_mark(w);
	}
	integrity_finish(job, status);
}

/* ---- what happens to the disk -------------------------------------------------------------------- */

/* From a checkpoint's first flush on, clients' data is stable. Until another one is over,
 * no page with lines in doubt is called durable: a restart finds the doubt in the journal. */
static void doubt(struct rf_ward *w)
{
	uint64_t page = w->cached && w->stage < CKPT_RESOLVE ? ward_notes_lost(&w->notes) : ~0ull;

	if (page < w->unsure_page)
		w->unsure_page = page;
	if (page != ~0ull && w->phase == WARD_OPEN && !ward_gone(w) && !w->read_only)
		ward_checkpoint(w);
}

static void disk_lost(struct integrity *i)
{
	struct rf_ward *w = ward_of(i);

	if (!w->cached)
		return;
	w->commit_lost = w->committing != 0;
	w->format_lost = true;
	w->ckpt_lost |= w->stage >= CKPT_TABLE;
	/* Of the table pages just written the old ones may come back. */
	for (uint32_t n = 0; n < w->notes.count && w->unflushed_table; n++)
		w->table.digest[ward_page_of(&w->g, w->notes.known[n].block)] = 0;
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
	return ((const struct rf_ward *)i)->phase == WARD_OPEN || integrity_gone(i);
}

void ward_changes_init(struct rf_ward *w)
{
	w->unsure_page = ~0ull;
	list_init(&w->room);
	list_init(&w->announced);
}

const struct integrity_store integrity_disk = {
	.open = ward_open, .close = ward_close, .disk = ward_disk, .ready = disk_ready,
	.expect = disk_expect, .judge = disk_judge, .change = disk_change, .changed = disk_changed,
	.flush = disk_flush, .flushed = disk_flushed, .up = ward_up, .lost = disk_lost,
	.gone = disk_gone, .back = disk_back,
};
