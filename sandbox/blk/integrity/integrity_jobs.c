/* SPDX-License-Identifier: MIT */
/*
 * integrity_jobs.c - a client's request under `integrity`: waits for those it overlaps, is
 * sent, judged.
 *
 * Room:   sandbox/blk/integrity, trusted. See integrity_store.h.
 * Order:  requests are begun in the order they came. One that overlaps another under way, be it
 *         a read, waits, and so do all behind it: when an answer comes there is one right
 *         content for each block.
 * Copies: clients' data lies in private memory as large as the arena: a write is copied out to
 *         the arena when it is sent, a read is copied in once it was answered, then judged,
 *         then shown. No driver or device can reach what was judged.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "integrity_store.h"
#include "log.h"

void *rf_private_memory(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* ---- the end of a request ---------------------------------------------------------------- */

static bool ranged(const struct integrity_job *job)
{
	return job->client->op != RF_BLK_FLUSH;
}

void integrity_finish(struct integrity_job *job, int status)
{
	struct integrity *i = job->filter;
	struct integrity_clients *c = &i->clients;
	struct rf_io *client = job->client;

	if (ranged(job))
		rf_order_remove(&c->order, (uint32_t)(job - c->job));
	job->state = JOB_FREE;
	job->next = c->free;
	c->free = job;
	client->done(client, status);
	integrity_pump(i);
}

void integrity_caught(struct integrity *i, uint64_t offset, const char *what)
{
	i->caught++;
	/* Only powers of two are logged: a driver that corrupts everything must not fill the
	 * log. */
	if (!(i->caught & (i->caught - 1)))
		rf_log("read of %s at %llu: what came is not what the disk must hold there (%llu "
		       "such reads so far)", what, (unsigned long long)offset,
		       (unsigned long long)i->caught);
}

/* ---- read -------------------------------------------------------------------------------- */

void integrity_judge(struct integrity_job *job)
{
	struct integrity *i = job->filter;
	int status = i->store->judge(i, job, i->filter.shown + job->client->arena);

	if (status != -EAGAIN)
		integrity_finish(job, status);
}

static void read_done(struct rf_io *io, int status)
{
	struct integrity_job *job = (struct integrity_job *)io;
	struct integrity *i = job->filter;

	if (status) {
		integrity_finish(job, status);
		return;
	}
	memcpy(i->filter.shown + io->arena, i->arena + io->arena, io->length);
	job->state = JOB_JUDGE;
	integrity_judge(job);
}

static void read_begin(struct integrity_job *job)
{
	struct integrity *i = job->filter;

	job->state = JOB_READ;
	i->store->expect(i, job);
	job->io.done = read_done;
	rf_blk_pass(integrity_below(i), &job->io);
}

/* ---- change and flush -------------------------------------------------------------------- */

static void change_done(struct rf_io *io, int status)
{
	struct integrity_job *job = (struct integrity_job *)io;

	job->filter->store->changed(job->filter, job, status);
}

void integrity_send(struct integrity_job *job)
{
	struct integrity *i = job->filter;
	struct rf_io *io = &job->io;

	if (io->op == RF_BLK_WRITE)
		memcpy(i->arena + io->arena, i->filter.shown + io->arena, io->length);
	job->state = JOB_SEND;
	io->done = change_done;
	rf_blk_pass(integrity_below(i), io);
}

static void integrity_filter_flush_done(struct rf_io *io, int status)
{
	struct integrity_job *job = (struct integrity_job *)io;

	job->filter->store->flushed(job->filter, job, status);
}

static void flush_begin(struct integrity_job *job)
{
	struct integrity *i = job->filter;

	job->state = JOB_FLUSH;
	job->io.done = integrity_filter_flush_done;
	i->store->flush(i, job);
	rf_blk_pass(integrity_below(i), &job->io);
}

/* ---- all requests ------------------------------------------------------------------------ */

static void job_begin(struct integrity *i, struct rf_io *client)
{
	struct integrity_clients *c = &i->clients;
	struct integrity_job *job = c->free;

	c->free = job->next;
	job->client = client;
	rf_io_goes_on(client);
	job->io = (struct rf_io){ .op = client->op, .flags = client->flags,
				  .length = client->length, .offset = client->offset,
				  .arena = client->arena, .queue = client->queue,
				  .waits = client->waits };
	if (ranged(job))
		rf_order_add(&c->order, (uint32_t)(job - c->job), client->offset,
			    client->offset + client->length, c->seq);
	if (client->op == RF_BLK_READ)
		read_begin(job);
	else if (client->op == RF_BLK_FLUSH)
		flush_begin(job);
	else
		i->store->change(i, job);
}

static bool may_begin(const struct integrity_clients *c, const struct rf_io *io)
{
	return io->op == RF_BLK_FLUSH ||
		!rf_order_conflict(&c->order, io->offset, io->offset + io->length, c->seq + 1);
}

/* Begins waiting requests. A request that ends at once calls this again, and returns: the first
 * call does all the work. */
void integrity_pump(struct integrity *i)
{
	struct integrity_clients *c = &i->clients;

	if (c->pumping)
		return;
	c->pumping = true;
	while (c->queue_head && c->free && may_begin(c, c->queue_head)) {
		struct rf_io *io = c->queue_head;

		c->queue_head = io->next;
		if (!c->queue_head)
			c->queue_tail = &c->queue_head;
		c->seq++;
		job_begin(i, io);
	}
	c->pumping = false;
}

/* ---- the cache is lost ------------------------------------------------------------------- */

void integrity_lost(struct integrity *i)
{
	struct integrity_clients *c = &i->clients;

	i->store->lost(i);
	/* Data that was read before may have been lost since. */
	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if (job->state == JOB_JUDGE)
			read_begin(job);
}

bool integrity_init(struct integrity *i, const struct rf_blk_below *below)
{
	struct integrity_clients *c = &i->clients;

	i->filter = (struct rf_blk_filter){ .service = below->service };
	i->arena = below->data;
	i->arena_bytes = below->config->arena_bytes;
	c->queue_tail = &c->queue_head;
	for (uint32_t n = INTEGRITY_JOBS; n-- > 0;) {
		c->job[n].filter = i;
		c->job[n].next = c->free;
		c->free = &c->job[n];
	}
	i->filter.shown = rf_private_memory(i->arena_bytes);
	return i->filter.shown;
}

void integrity_fini(struct integrity *i)
{
	if (i->filter.shown)
		munmap(i->filter.shown, i->arena_bytes);
}
