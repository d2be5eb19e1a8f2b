/* SPDX-License-Identifier: MIT */
/*
 * disk_store.c - `integrity disk` as a store: a change is announced and sent, a read judged.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h.
 */
#include "disk_state.h"

#include <errno.h>
#include <string.h>

/* ---- read -------------------------------------------------------------------------------- */

/* Are the table pages of these blocks here? Begins to load those that are not. */
static bool pages_here(struct disk_store *d, const struct integrity_job *job)
{
	uint64_t page = table_page_of(&d->g, integrity_first(job));
	uint64_t last = table_page_of(&d->g, integrity_last(job));
	bool all = true;

	for (; page <= last; page++) {
		if (tag_table_page(d, page))
			continue;
		tag_table_load(d, page);
		all = false;
	}
	return all;
}

static void disk_expect(struct integrity *i, struct integrity_job *job)
{
	pages_here(disk_store_of(i), job);
}

static int disk_judge(struct integrity *i, struct integrity_job *job, unsigned char *data)
{
	struct disk_store *d = disk_store_of(i);
	uint32_t size = d->g.block;

	if (!pages_here(d, job))
		return -EAGAIN;
	for (uint64_t b = integrity_first(job); b <= integrity_last(job); b++, data += size) {
		void *page = tag_table_page(d, table_page_of(&d->g, b));
		enum tag_verdict v =
		    tag_judge(&d->judge, &d->journal.index, b, data, tag_entry_in(&d->g, page, b));

		if (v == TAG_WRONG) {
			integrity_caught(i, b * size, "data");
			return -EIO;
		}
		if (v == TAG_EMPTY)
			memset(data, 0, size);
	}
	return 0;
}

/* Those who wait for the page go on. */
static void table_loaded(struct disk_store *d, uint64_t page, int status)
{
	struct integrity_clients *c = &d->base.clients;

	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++) {
		if (job->state != JOB_JUDGE || page < table_page_of(&d->g, integrity_first(job)) ||
		    page > table_page_of(&d->g, integrity_last(job)))
			continue;
		if (status)
			integrity_finish(job, -EIO);
		else
			integrity_judge(job);
	}
	if (status)
		checkpoint_missed(d, page);
	else
		checkpoint_continue(d);
}

/* ---- change ------------------------------------------------------------------------------ */

static void list_init(struct job_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_add(struct job_list *l, struct integrity_job *job)
{
	job->next = NULL;
	*l->tail = job;
	l->tail = &job->next;
}

static struct integrity_job *list_take(struct job_list *l)
{
	struct integrity_job *job = l->head;

	l->head = job->next;
	if (!l->head)
		l->tail = &l->head;
	return job;
}

static void change_over(struct disk_store *d, struct integrity_job *job, int status)
{
	struct changes *ch = &d->changes;

	if (status && job->first_page < ch->unsure_page)
		ch->unsure_page = job->first_page;
	ch->changing--;
	integrity_finish(job, status);
	if (!ch->changing)
		checkpoint_continue(d);
}

static void disk_changed(struct integrity *i, struct integrity_job *job, int status)
{
	struct disk_store *d = disk_store_of(i);
	uint32_t count = job->client->length / d->g.block;
	uint32_t is = !d->disk.cached || job->client->flags & RF_BLK_FUA ? ENTRY_STABLE : 0;

	for (uint32_t n = 0; n < count && !status; n++)
		d->journal.index.entry[job->line + n].is = is;
	change_over(d, job, status);
}

/* Requests whose journal pages are there, or never will be. */
static void changes_announced(struct disk_store *d, int status)
{
	struct changes *ch = &d->changes;

	while (ch->announced.head &&
	       (status || ch->announced.head->last_page <= d->journal.written)) {
		struct integrity_job *job = list_take(&ch->announced);

		if (status)
			change_over(d, job, -EIO);
		else
			integrity_send(job);
	}
}

static void disk_committed(struct disk_store *d, int status)
{
	changes_announced(d, status);
	if (!status)
		journal_commit(d);
	checkpoint_continue(d); /* a checkpoint may have waited for this only */
}

static void change_announce(struct disk_store *d, struct integrity_job *job)
{
	struct changes *ch = &d->changes;

	journal_announce(d, job);
	ch->changing++;
	job->state = JOB_JOURNAL;
	list_add(&ch->announced, job);
}

static void disk_change(struct integrity *i, struct integrity_job *job)
{
	struct disk_store *d = disk_store_of(i);
	struct changes *ch = &d->changes;

	if (disk_is_gone(d)) {
		integrity_finish(job, -EIO);
	} else if (!ch->room.head && journal_has_room(d, job)) {
		change_announce(d, job);
		journal_commit(d);
	} else {
		job->state = JOB_ROOM;
		list_add(&ch->room, job);
		checkpoint_begin(d);
	}
}

/* Requests that waited for room in the journal go on. `status`: those for which there is none
 * fail, else they wait for a checkpoint. */
static void changes_room(struct disk_store *d, int status)
{
	struct changes *ch = &d->changes;

	while (ch->room.head && (status || journal_has_room(d, ch->room.head))) {
		struct integrity_job *job = list_take(&ch->room);

		if (!disk_is_gone(d) && journal_has_room(d, job))
			change_announce(d, job);
		else
			integrity_finish(job, -EIO);
	}
	journal_commit(d);
	if (ch->room.head)
		checkpoint_begin(d);
}

static void disk_checkpointed(struct disk_store *d, bool well)
{
	if (d->start.phase == DISK_STARTING)
		disk_store_started(d, well);
	else
		changes_room(d, well ? 0 : -EIO);
}

/* ---- flush ------------------------------------------------------------------------------- */

static void disk_flush(struct integrity *i, struct integrity_job *job)
{
	job->cover = journal_answered(disk_store_of(i));
}

static void disk_flushed(struct integrity *i, struct integrity_job *job, int status)
{
	struct disk_store *d = disk_store_of(i);

	if (status) {
		integrity_lost(i); /* after a failed flush unwritten data may be gone */
	} else {
		d->journal.mark |= journal_flushed(d, job->cover);
		if (journal_durable(d))
			checkpoint_begin(d); /* it says so, too */
	}
	integrity_finish(job, status);
}

/* ---- what happens to the disk ------------------------------------------------------------ */

/* From a checkpoint's first flush on, clients' data is stable. Until another one is over,
 * no page with lines in doubt is called durable: a restart finds the doubt in the journal. */
static void doubt(struct disk_store *d)
{
	struct changes *ch = &d->changes;
	uint64_t page = d->disk.cached && d->checkpoint.stage < CKPT_RESOLVE
			    ? journal_index_lost(&d->journal.index)
			    : ~0ull;

	if (page < ch->unsure_page)
		ch->unsure_page = page;
	if (page != ~0ull && d->start.phase == DISK_OPEN && !disk_is_gone(d) && !d->disk.read_only)
		checkpoint_begin(d);
}

static void disk_lost(struct integrity *i)
{
	struct disk_store *d = disk_store_of(i);
	struct journal *j = &d->journal;

	if (!d->disk.cached)
		return;
	j->lost = j->committing != 0;
	d->checkpoint.lost |= d->checkpoint.stage >= CKPT_TABLE;
	/* Old versions of the table pages just written may come back. */
	for (uint32_t n = 0; n < j->index.count && d->checkpoint.unflushed_table; n++)
		d->table.digest[table_page_of(&d->g, j->index.entry[n].block)] = 0;
	doubt(d);
}

static void disk_gone(struct integrity *i)
{
	changes_announced(disk_store_of(i), -EIO);
	changes_room(disk_store_of(i), -EIO);
}

/* Requests under way ended with the device, so the export is replaced. */
static int disk_back(struct integrity *i)
{
	(void)i;
	return -EPIPE;
}

static bool disk_ready(const struct integrity *i)
{
	return ((const struct disk_store *)i)->start.phase == DISK_OPEN || integrity_gone(i);
}

static void changes_init(struct disk_store *d)
{
	struct changes *ch = &d->changes;

	ch->unsure_page = ~0ull;
	list_init(&ch->room);
	list_init(&ch->announced);
}

static int disk_store_open(const struct rf_blk_below *below, struct integrity **out)
{
	static const struct disk_events events = { .loaded = table_loaded,
						   .committed = disk_committed,
						   .checkpointed = disk_checkpointed };
	struct disk_store *d = disk_store_make(below);

	if (!d)
		return -ENOMEM;
	d->base.store = &integrity_disk;
	d->events = &events;
	changes_init(d);
	*out = &d->base;
	return 0;
}

const struct integrity_store integrity_disk = {
    .open = disk_store_open,
    .close = disk_store_close,
    .disk = disk_store_known,
    .ready = disk_ready,
    .expect = disk_expect,
    .judge = disk_judge,
    .change = disk_change,
    .changed = disk_changed,
    .flush = disk_flush,
    .flushed = disk_flushed,
    .up = disk_store_up,
    .lost = disk_lost,
    .gone = disk_gone,
    .back = disk_back,
};
