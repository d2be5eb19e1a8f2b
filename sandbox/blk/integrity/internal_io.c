/* SPDX-License-Identifier: MIT */
/*
 * internal_io.c - small requests of the store's own: a page each, or less.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h.
 */
#include <errno.h>

#include "disk_state.h"

uint8_t disk_through(const struct disk_store *d)
{
	return d->disk.fua ? RF_BLK_FUA : 0;
}

struct internal_io *internal_take(struct disk_store *d)
{
	if (d->own.count)
		return d->own.free[--d->own.count];
	d->own.starved = true;
	return NULL;
}

void internal_give(struct internal_io *op)
{
	op->store->own.free[op->store->own.count++] = op;
}

/* An op is free again: serves whoever wanted one. */
static void internal_relieve(struct disk_store *d)
{
	struct integrity_clients *c = &d->base.clients;

	if (!d->own.starved || !d->own.count)
		return;
	d->own.starved = false;
	for (struct integrity_job *job = c->job; job < c->job + INTEGRITY_JOBS; job++)
		if (job->state == JOB_JUDGE)
			integrity_judge(job);
}

static void op_done(struct rf_io *io, int status)
{
	struct internal_io *op = (struct internal_io *)io;
	struct disk_store *d = op->store;

	op->then(op, status);
	internal_relieve(d);
}

int internal_init(struct disk_store *d, struct rf_arena *arena)
{
	uint64_t ops;

	if (rf_arena_take(arena, INTERNAL_IOS * DISK_PAGE, &ops))
		return -ENOMEM;
	for (uint32_t i = 0; i < INTERNAL_IOS; i++) {
		d->own.op[i].store = d;
		d->own.op[i].io = (struct rf_io){ .arena = ops + (uint64_t)i * DISK_PAGE,
						  .done = op_done, .internal = true };
		internal_give(&d->own.op[i]);
	}
	return 0;
}
