/* SPDX-License-Identifier: MIT */
/*
 * ward.c - a client's request: waits for those it overlaps, is announced, sent, judged.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h.
 * Order:  requests are begun in the order they came. One that overlaps another under way, be it
 *         a read, waits, and so do all behind it: when an answer comes there is one right
 *         content for each block.
 */
#include "ward_inside.h"

#include <errno.h>
#include <string.h>

static void jobs_pump(struct rf_ward *w);

/* ---- sending ----------------------------------------------------------------------------- */

void *ward_shared(struct rf_ward *w, uint64_t arena)
{
	return w->s->data + arena;
}

void ward_send(struct rf_ward *w, struct rf_io *io)
{
	if (w->phase == WARD_GONE)
		io->done(io, -EIO);
	else
		rf_core_submit(w->s, io);
}

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

/* ---- the end of a request ------------------------------------------------------------------ */

static bool ranged(const struct ward_job *job)
{
	return job->client->op != RF_BLK_FLUSH;
}

static void job_finish(struct ward_job *job, int status)
{
	struct rf_ward *w = job->ward;
	struct rf_io *client = job->client;

	if (ranged(job))
		rf_hold_remove(&w->hold, (uint32_t)(job - w->job));
	job->state = JOB_FREE;
	job->next = w->free;
	w->free = job;
	client->done(client, status);
	jobs_pump(w);
}

void ward_caught(struct rf_ward *w, uint64_t offset, const char *what)
{
	w->caught++;
	/* A driver that lies all the time shall not fill the log. */
	if (!(w->caught & (w->caught - 1)))
		rf_log("read of %s at %llu: what came is not what the disk must hold there (%llu such "
		       "reads so far)", what, (unsigned long long)offset, (unsigned long long)w->caught);
}

/* ---- read ------------------------------------------------------------------------------------ */

static uint64_t first_block(const struct ward_job *job)
{
	return job->client->offset / job->ward->g.block;
}

static uint64_t last_block(const struct ward_job *job)
{
	return (job->client->offset + job->client->length - 1) / job->ward->g.block;
}

/* Asks for what is not here. */
static bool pages_here(struct ward_job *job)
{
	struct rf_ward *w = job->ward;
	uint64_t page = ward_page_of(&w->g, first_block(job)), last = ward_page_of(&w->g, last_block(job));
	bool all = true;

	for (; page <= last; page++) {
		if (ward_table_page(w, page))
			continue;
		ward_table_want(w, page);
		all = false;
	}
	return all;
}

static int judged(struct ward_job *job)
{
	struct rf_ward *w = job->ward;
	unsigned char *data = w->own + job->client->arena;
	uint32_t size = w->g.block;

	for (uint64_t b = first_block(job); b <= last_block(job); b++, data += size) {
		void *page = ward_table_page(w, ward_page_of(&w->g, b));
		enum ward_verdict v = ward_judge(&w->judge, &w->notes, b, data, ward_entry_in(&w->g, page, b));

		if (v == WARD_WRONG) {
			ward_caught(w, b * size, "data");
			return -EIO;
		}
		if (v == WARD_ZEROES)
			memset(data, 0, size);
	}
	return 0;
}

static void job_judge(struct ward_job *job)
{
	if (pages_here(job))
		job_finish(job, judged(job));
}

static void read_done(struct rf_io *io, int status)
{
	struct ward_job *job = (struct ward_job *)io;
	struct rf_ward *w = job->ward;

	if (status) {
		job_finish(job, status);
		return;
	}
	memcpy(w->own + io->arena, ward_shared(w, io->arena), io->length);
	job->state = JOB_JUDGE;
	job_judge(job);
}

static void read_begin(struct ward_job *job)
{
	job->state = JOB_READ;
	pages_here(job); /* they come while the data does */
	job->io.done = read_done;
	ward_send(job->ward, &job->io);
}

void ward_loaded(struct rf_ward *w, uint64_t page, int status)
{
	for (struct ward_job *job = w->job; job < w->job + WARD_JOBS; job++) {
		if (job->state != JOB_JUDGE || page < ward_page_of(&w->g, first_block(job)) ||
		    page > ward_page_of(&w->g, last_block(job)))
			continue;
		if (status)
			job_finish(job, -EIO);
		else
			job_judge(job);
	}
	if (status)
		ward_checkpoint_missed(w, page);
	else
		ward_checkpoint_go(w);
}

void ward_relieve(struct rf_ward *w)
{
	if (!w->starved || !w->ops)
		return;
	w->starved = false;
	for (struct ward_job *job = w->job; job < w->job + WARD_JOBS; job++)
		if (job->state == JOB_JUDGE)
			job_judge(job);
}

/* ---- change ------------------------------------------------------------------------------------ */

static void list_init(struct ward_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_add(struct ward_list *l, struct ward_job *job)
{
	job->next = NULL;
	*l->tail = job;
	l->tail = &job->next;
}

static struct ward_job *list_take(struct ward_list *l)
{
	struct ward_job *job = l->head;

	l->head = job->next;
	if (!l->head)
		l->tail = &l->head;
	return job;
}

uint64_t ward_answered(const struct rf_ward *w)
{
	uint64_t page = w->written + 1;

	for (const struct ward_job *job = w->job; job < w->job + WARD_JOBS; job++)
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

static void change_over(struct ward_job *job, int status)
{
	struct rf_ward *w = job->ward;

	if (status && job->first_page < w->unsure_page)
		w->unsure_page = job->first_page;
	w->changing--;
	job_finish(job, status);
	if (!w->changing)
		ward_checkpoint_go(w);
}

static void change_done(struct rf_io *io, int status)
{
	struct ward_job *job = (struct ward_job *)io;
	struct rf_ward *w = job->ward;
	uint32_t count = job->client->length / w->g.block;
	uint32_t is = !w->cached || job->client->flags & RF_BLK_FUA ? KNOWN_STABLE : 0;

	for (uint32_t i = 0; i < count && !status; i++)
		w->notes.known[job->line + i].is = is;
	change_over(job, status);
}

static void change_send(struct ward_job *job)
{
	struct rf_ward *w = job->ward;
	struct rf_io *io = &job->io;

	if (io->op == RF_BLK_WRITE)
		memcpy(ward_shared(w, io->arena), w->own + io->arena, io->length);
	job->state = JOB_SEND;
	io->done = change_done;
	ward_send(w, io);
}

void ward_announced(struct rf_ward *w, int status)
{
	while (w->announced.head && (status || w->announced.head->last_page <= w->written)) {
		struct ward_job *job = list_take(&w->announced);

		if (status)
			change_over(job, -EIO);
		else
			change_send(job);
	}
}

static void change_announce(struct ward_job *job)
{
	struct rf_ward *w = job->ward;

	ward_announce(w, job);
	w->changing++;
	job->state = JOB_JOURNAL;
	list_add(&w->announced, job);
}

static void change_begin(struct ward_job *job)
{
	struct rf_ward *w = job->ward;

	if (w->phase == WARD_GONE) {
		job_finish(job, -EIO);
	} else if (!w->room.head && ward_has_room(w, job)) {
		change_announce(job);
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
		struct ward_job *job = list_take(&w->room);

		if (w->phase != WARD_GONE && ward_has_room(w, job))
			change_announce(job);
		else
			job_finish(job, -EIO);
	}
	ward_commit(w);
	if (w->room.head)
		ward_checkpoint(w);
}

/* ---- flush ------------------------------------------------------------------------------------- */

static void job_flushed(struct rf_io *io, int status)
{
	struct ward_job *job = (struct ward_job *)io;
	struct rf_ward *w = job->ward;

	if (status) {
		rf_ward_lost(w); /* the device may have dropped what it could not write */
	} else {
		w->mark |= ward_flushed(w, job->cover);
		ward_mark(w);
	}
	job_finish(job, status);
}

static void flush_begin(struct ward_job *job)
{
	job->state = JOB_FLUSH;
	job->cover = ward_answered(job->ward);
	job->io.done = job_flushed;
	ward_send(job->ward, &job->io);
}

/* ---- all requests ------------------------------------------------------------------------------ */

static void job_begin(struct rf_ward *w, struct rf_io *client)
{
	struct ward_job *job = w->free;

	w->free = job->next;
	job->client = client;
	job->io = (struct rf_io){ .op = client->op, .flags = client->flags, .length = client->length,
				  .offset = client->offset, .arena = client->arena };
	if (ranged(job))
		rf_hold_add(&w->hold, (uint32_t)(job - w->job), client->offset,
			    client->offset + client->length, w->seq);
	if (client->op == RF_BLK_READ)
		read_begin(job);
	else if (client->op == RF_BLK_FLUSH)
		flush_begin(job);
	else
		change_begin(job);
}

static bool may_begin(const struct rf_ward *w, const struct rf_io *io)
{
	return io->op == RF_BLK_FLUSH ||
		!rf_hold_conflict(&w->hold, io->offset, io->offset + io->length, w->seq + 1);
}

/* One that ends at once comes here again: the first call does all the work. */
static void jobs_pump(struct rf_ward *w)
{
	if (w->pumping)
		return;
	w->pumping = true;
	while (w->queue_head && w->free && may_begin(w, w->queue_head)) {
		struct rf_io *io = w->queue_head;

		w->queue_head = io->next;
		if (!w->queue_head)
			w->queue_tail = &w->queue_head;
		w->seq++;
		job_begin(w, io);
	}
	w->pumping = false;
}

void rf_ward_submit(struct rf_ward *w, struct rf_io *io)
{
	io->next = NULL;
	*w->queue_tail = io;
	w->queue_tail = &io->next;
	jobs_pump(w);
}

/* ---- what happens to the disk -------------------------------------------------------------------- */

/* From a checkpoint's first flush on, clients' data is stable. Until another one is over,
 * no page with lines in doubt is called durable: a restart finds the doubt in the journal. */
static void doubt(struct rf_ward *w)
{
	uint64_t page = w->cached && w->stage < CKPT_RESOLVE ? ward_notes_lost(&w->notes) : ~0ull;

	if (page < w->unsure_page)
		w->unsure_page = page;
	if (page != ~0ull && w->phase == WARD_OPEN && !w->read_only)
		ward_checkpoint(w);
}

void rf_ward_lost(struct rf_ward *w)
{
	if (!w->cached)
		return;
	w->commit_lost = w->committing != 0;
	w->format_lost = true;
	w->ckpt_lost |= w->stage >= CKPT_TABLE;
	/* Of the table pages just written the old ones may come back. */
	for (uint32_t i = 0; i < w->notes.count && w->unflushed_table; i++)
		w->table.digest[ward_page_of(&w->g, w->notes.known[i].block)] = 0;
	doubt(w);
	/* What was read before may be what was lost. */
	for (struct ward_job *job = w->job; job < w->job + WARD_JOBS; job++)
		if (job->state == JOB_JUDGE)
			read_begin(job);
}

void rf_ward_gone(struct rf_ward *w, bool before)
{
	w->phase = WARD_GONE;
	if (before)
		return;
	for (struct ward_job *job = w->job; job < w->job + WARD_JOBS; job++)
		if (job->state == JOB_JUDGE)
			job_finish(job, -EIO);
	ward_announced(w, -EIO);
	ward_room(w, -EIO);
	jobs_pump(w);
}

bool rf_ward_owns(const struct rf_ward *w, const struct rf_io *io)
{
	const void *at = io;

	return w && (at < (const void *)w->job || at >= (const void *)(w->job + WARD_JOBS));
}

bool rf_ward_ready(const struct rf_ward *w)
{
	return w->phase == WARD_OPEN || w->phase == WARD_GONE;
}

void *rf_ward_at(struct rf_ward *w, uint64_t arena)
{
	return w->own + arena;
}

uint64_t rf_ward_caught(const struct rf_ward *w)
{
	return w->caught;
}

void ward_jobs_init(struct rf_ward *w)
{
	w->queue_tail = &w->queue_head;
	w->unsure_page = ~0ull;
	list_init(&w->room);
	list_init(&w->announced);
	for (uint32_t i = WARD_JOBS; i-- > 0;) {
		w->job[i].ward = w;
		w->job[i].next = w->free;
		w->free = &w->job[i];
	}
}
