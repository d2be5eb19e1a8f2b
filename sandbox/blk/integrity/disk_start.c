/* SPDX-License-Identifier: MIT */
/*
 * disk_start.c - from the disk to memory.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h.
 * Start:  superblocks, journal from the page the valid one names to the last good one, then
 *         a checkpoint, which finds out what a power cut has left; then clients.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "disk_state.h"
#include "export_config.h"

#define refuse(d, ...) rf_blk_refuse(integrity_below(&(d)->base), __VA_ARGS__)

/* ---- memory ------------------------------------------------------------------------------ */

static int buffers_take(struct disk_store *d, struct rf_arena *arena)
{
	if (internal_init(d, arena) ||
	    rf_arena_take(arena, JOURNAL_BATCH * DISK_PAGE, &d->journal.arena) ||
	    rf_arena_take(arena, BULK_PAGES * DISK_PAGE, &d->start.arena))
		return -ENOMEM;
	return 0;
}

struct disk_store *disk_store_make(const struct rf_blk_below *below)
{
	const struct rf_export_config *c = below->config;
	struct disk_store *d = rf_private_memory(sizeof(*d));

	if (!d)
		goto none;
	memcpy(d->master, c->integrity_key, sizeof(d->master));
	tag_table_clear(&d->table);
	journal_init(d);
	d->table.digest = rf_private_memory(TABLE_PAGES * sizeof(*d->table.digest));
	d->table.bytes = rf_private_memory((uint64_t)TAG_SLOTS * DISK_PAGE);
	if (!integrity_init(&d->base, below) || !d->table.digest || !d->table.bytes ||
	    buffers_take(d, below->arena))
		goto none;
	return d;
none:
	rf_log("integrity disk: no memory, or none left in an arena of %llu bytes: %s",
	       (unsigned long long)c->arena_bytes, strerror(errno));
	if (d)
		disk_store_close(&d->base);
	return NULL;
}

void disk_store_close(struct integrity *i)
{
	struct disk_store *d = disk_store_of(i);

	integrity_fini(i);
	if (d->table.digest)
		munmap(d->table.digest, TABLE_PAGES * sizeof(*d->table.digest));
	if (d->table.bytes)
		munmap(d->table.bytes, (uint64_t)TAG_SLOTS * DISK_PAGE);
	munmap(d, sizeof(*d));
}

/* ---- the disk is known ------------------------------------------------------------------- */

int disk_store_known(struct integrity *i, struct rf_blk_info *info)
{
	struct disk_store *d = disk_store_of(i);

	if (!layout_geometry(&d->g, info->size, info->block_size)) {
		char why[LAYOUT_LIMITS];

		layout_limits(why, info->size, info->block_size);
		refuse(d, "%s", why);
		return -EFBIG;
	}
	i->block = info->block_size;
	d->disk.bytes = info->size;
	d->disk.read_only = info->features & RF_BLK_READ_ONLY;
	d->disk.cached = info->features & RF_BLK_HAS_FLUSH;
	d->disk.fua = d->disk.cached && info->features & RF_BLK_HAS_FUA;
	d->judge.g = &d->g;
	info->size = d->g.blocks * d->g.block;
	if (info->max_transfer > LARGEST_REQUEST)
		info->max_transfer = LARGEST_REQUEST;
	d->disk.most = info->max_transfer / DISK_PAGE;
	if (info->max_discard > LARGEST_REQUEST)
		info->max_discard = LARGEST_REQUEST;
	return 0;
}

static void bulk_part(struct disk_store *d);

/* A part of a long transfer was answered. An error ends the start. */
static void bulk_done(struct rf_io *io, int status)
{
	struct disk_store *d = disk_store_holding(io, start.io);
	struct disk_start *st = &d->start;

	if (disk_is_gone(d))
		return;
	if (status) {
		refuse(d, "integrity disk: %s: the disk answers %s", st->what, strerror(-status));
		return;
	}
	if (io->op == RF_BLK_READ)
		memcpy(st->bulk + st->over, disk_shared(d, io->arena), io->length);
	st->over += io->length;
	if (st->over < st->bytes)
		bulk_part(d);
	else
		st->then(d);
}

static void bulk_part(struct disk_store *d)
{
	struct disk_start *st = &d->start;
	struct rf_io *io = &st->io;
	uint32_t left = st->bytes - st->over, most = d->disk.most * DISK_PAGE;

	io->offset = st->at + st->over;
	io->arena = st->arena + st->over;
	io->length = left < most ? left : most;
	internal_send(d, io);
}

static void bulk_send(struct disk_store *d, const char *what, uint8_t op, uint64_t at,
		      uint32_t pages, void (*then)(struct disk_store *))
{
	struct disk_start *st = &d->start;

	st->io = (struct rf_io){ .op = op, .done = bulk_done, .internal = true };
	st->what = what;
	st->at = at;
	st->bytes = pages * DISK_PAGE;
	st->over = 0;
	st->then = then;
	bulk_part(d);
}

/* ---- start ------------------------------------------------------------------------------- */

void disk_store_started(struct disk_store *d, bool well)
{
	if (!well && !disk_is_gone(d))
		refuse(d,
		       "integrity disk: checksums cannot be read or written back: the disk fails, "
		       "or its driver lies");
	if (well)
		d->start.phase = DISK_OPEN;
}

/* Pages of a batch that was cut off may lie behind the last one that counts: their numbers are
 * not used again. */
static void journal_over(struct disk_store *d)
{
	struct journal *j = &d->journal;
	uint64_t last = d->start.place - 1, durable = j->index.durable;

	j->filling = last + 1 + 2 * JOURNAL_BATCH;
	j->written = j->filling - 1;
	for (uint32_t i = 0; i < j->index.count; i++)
		if (j->index.entry[i].generation <= durable)
			j->index.entry[i].is = 0;
	if (d->disk.read_only)
		disk_store_started(d, true);
	else
		checkpoint_begin(d);
}

static bool take_page(struct disk_store *d, const struct journal_page *p)
{
	struct journal *j = &d->journal;
	struct disk_start *st = &d->start;

	if (!journal_page_good(d->judge.key, &d->g, p, st->place) ||
	    j->index.count + p->lines > JOURNAL_ENTRIES)
		return false;
	for (uint32_t i = 0; i < p->lines; i++)
		journal_append(&j->index, p->line[i].block, p->line[i].tag, p->number, ENTRY_DOUBT);
	if (p->durable > j->index.durable)
		j->index.durable = p->durable;
	st->place++;
	return true;
}

static void journal_arrived(struct disk_store *d);

static void journal_next(struct disk_store *d)
{
	struct disk_start *st = &d->start;
	uint64_t at = st->place % JOURNAL_PAGES,
		 left = d->journal.super.journal + JOURNAL_PAGES - st->place;
	uint32_t pages = BULK_PAGES;

	if (pages > JOURNAL_PAGES - at)
		pages = (uint32_t)(JOURNAL_PAGES - at);
	if (pages > left)
		pages = (uint32_t)left;
	if (!pages)
		journal_over(d);
	else
		bulk_send(d, "its journal", RF_BLK_READ, d->g.journal_at + at * DISK_PAGE, pages,
			  journal_arrived);
}

static void journal_arrived(struct disk_store *d)
{
	struct disk_start *st = &d->start;

	for (uint32_t i = 0; i < st->bytes / DISK_PAGE; i++)
		if (!take_page(d, (const void *)(st->bulk + i * DISK_PAGE))) {
			journal_over(d);
			return;
		}
	journal_next(d);
}

static void supers_arrived(struct disk_store *d)
{
	struct journal *j = &d->journal;
	struct disk_start *st = &d->start;
	bool foreign = false, good = false;

	for (uint32_t i = 0; i < 2; i++) {
		struct superblock s;

		memcpy(&s, st->bulk + i * DISK_PAGE, sizeof(s));
		enum superblock_is is = superblock_look(d->master, &s, d->disk.bytes, d->g.block);
		foreign |= is == SUPER_FOREIGN;
		if (is == SUPER_GOOD && (!good || s.number > j->super.number)) {
			j->super = s;
			good = true;
		}
	}
	if (!good) {
		refuse(d,
		       foreign
			   ? "integrity disk: the checksum area of this disk is of another key or "
			     "another disk, or damaged"
			   : "integrity disk: this disk has no checksum area: 'ringfence format' "
			     "makes one");
		return;
	}
	layout_key(d->judge.key, d->master, j->super.volume);
	d->judge.adopted = j->super.flags & SUPER_ADOPTED;
	st->place = j->super.journal;
	j->index.durable = j->super.journal - 1;
	journal_next(d);
}

void disk_store_up(struct integrity *i)
{
	struct disk_store *d = disk_store_of(i);
	struct disk_start *st = &d->start;

	if (st->phase != DISK_CLOSED)
		return;
	st->phase = DISK_STARTING;
	bulk_send(d, "its superblocks", RF_BLK_READ, d->g.super_at, 2, supers_arrived);
}
