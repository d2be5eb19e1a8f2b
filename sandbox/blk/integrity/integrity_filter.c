/* SPDX-License-Identifier: MIT */
/*
 * integrity_filter.c - the filter `integrity` as the core knows it: see blk_filter.h.
 *
 * Room:   sandbox/blk/integrity, trusted. See integrity_store.h.
 */
#include <errno.h>

#include "export_config.h"
#include "integrity_store.h"

static void integrity_submit(struct rf_blk_filter *f, struct rf_io *io)
{
	struct integrity_clients *c = &integrity_of(f)->clients;

	rf_io_waits(io);
	io->next = NULL;
	*c->queue_tail = io;
	c->queue_tail = &io->next;
	integrity_pump(integrity_of(f));
}

/* ---- what happens to the disk ------------------------------------------------------------ */

static int filter_disk(struct rf_blk_filter *f, struct rf_blk_info *info)
{
	return integrity_of(f)->store->disk(integrity_of(f), info);
}

static bool filter_ready(const struct rf_blk_filter *f)
{
	const struct integrity *i = (const struct integrity *)f;

	return i->store->ready(i);
}

static void filter_up(struct rf_blk_filter *f)
{
	integrity_of(f)->store->up(integrity_of(f));
}

static void filter_lost(struct rf_blk_filter *f)
{
	integrity_lost(integrity_of(f));
}

static void filter_gone(struct rf_blk_filter *f)
{
	struct integrity *i = integrity_of(f);
	struct integrity_clients *c = &i->clients;

	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if (job->state == JOB_JUDGE)
			integrity_finish(job, -EIO);
	i->store->gone(i);
	integrity_pump(i);
}

static int filter_back(struct rf_blk_filter *f)
{
	return integrity_of(f)->store->back(integrity_of(f));
}

static uint64_t filter_caught(const struct rf_blk_filter *f)
{
	return ((const struct integrity *)f)->caught;
}

/* ---- start and end ----------------------------------------------------------------------- */

static bool filter_wanted(const struct rf_export_config *config)
{
	return config->flags & (RF_EXPORT_INTEGRITY_MEMORY | RF_EXPORT_INTEGRITY_DISK);
}

static int filter_open(const struct rf_blk_below *, struct rf_blk_filter **);

static void filter_close(struct rf_blk_filter *f)
{
	integrity_of(f)->store->close(integrity_of(f));
}

const struct rf_blk_filter_ops integrity_ops = {
	.wanted = filter_wanted, .open = filter_open, .close = filter_close, .disk = filter_disk,
	.ready = filter_ready, .submit = integrity_submit, .up = filter_up, .lost = filter_lost,
	.gone = filter_gone, .back = filter_back, .caught = filter_caught,
};

static int filter_open(const struct rf_blk_below *below, struct rf_blk_filter **out)
{
	struct integrity *i = NULL;
	bool disk = below->config->flags & RF_EXPORT_INTEGRITY_DISK;
	int err = (disk ? integrity_disk : integrity_memory).open(below, &i);

	if (err)
		return err;
	i->filter.ops = &integrity_ops;
	*out = &i->filter;
	return 0;
}
