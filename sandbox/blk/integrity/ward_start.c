/* SPDX-License-Identifier: MIT */
/*
 * ward_start.c - from the disk to memory.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h.
 * Start:  superblocks, journal from the page the valid one names to the last good one, then
 *         a checkpoint, which finds out what a power cut has left; then clients.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device_config.h"
#include "ward_inside.h"

#define refuse(w, ...) rf_blk_refuse(integrity_below(&(w)->base), __VA_ARGS__)

/* ---- memory ------------------------------------------------------------------------------ */

static void op_done(struct rf_io *io, int status)
{
	struct ward_op *op = (struct ward_op *)io;
	struct rf_ward *w = op->ward;

	op->then(op, status);
	ward_relieve(w);
}

static int buffers_take(struct rf_ward *w, struct rf_arena *arena)
{
	uint64_t ops;

	if (rf_arena_take(arena, WARD_OPS * WARD_PAGE, &ops) ||
	    rf_arena_take(arena, WARD_BATCH * WARD_PAGE, &w->journal.arena) ||
	    rf_arena_take(arena, WARD_BULK * WARD_PAGE, &w->start.arena))
		return -ENOMEM;
	for (uint32_t i = 0; i < WARD_OPS; i++) {
		w->own.op[i].ward = w;
		w->own.op[i].io = (struct rf_io){ .arena = ops + (uint64_t)i * WARD_PAGE, .done = op_done,
					  .internal = true };
		ward_op_give(&w->own.op[i]);
	}
	return 0;
}

int ward_open(const struct rf_blk_below *below, struct integrity **out)
{
	const struct rf_export_config *c = below->config;
	struct rf_ward *w = rf_private_memory(sizeof(*w));

	if (!w)
		goto none;
	w->base.store = &integrity_disk;
	memcpy(w->master, c->integrity_key, sizeof(w->master));
	ward_table_clear(&w->table);
	ward_changes_init(w);
	ward_commit_init(w);
	w->table.digest = rf_private_memory(WARD_PAGES * sizeof(*w->table.digest));
	w->table.bytes = rf_private_memory((uint64_t)WARD_SLOTS * WARD_PAGE);
	if (!integrity_init(&w->base, below) || !w->table.digest || !w->table.bytes ||
	    buffers_take(w, below->arena))
		goto none;
	*out = &w->base;
	return 0;
none:
	rf_log("integrity disk: no memory, or none left in an arena of %llu bytes: %s",
	       (unsigned long long)c->arena_bytes, strerror(errno));
	if (w)
		ward_close(&w->base);
	return -ENOMEM;
}

void ward_close(struct integrity *i)
{
	struct rf_ward *w = ward_of(i);

	integrity_fini(i);
	if (w->table.digest)
		munmap(w->table.digest, WARD_PAGES * sizeof(*w->table.digest));
	if (w->table.bytes)
		munmap(w->table.bytes, (uint64_t)WARD_SLOTS * WARD_PAGE);
	munmap(w, sizeof(*w));
}

/* ---- the disk is known ------------------------------------------------------------------- */

int ward_disk(struct integrity *i, struct rf_blk_info *info)
{
	struct rf_ward *w = ward_of(i);

	if (!ward_geometry(&w->g, info->size, info->block_size)) {
		char why[WARD_LIMITS];

		ward_limits(why, info->size, info->block_size);
		refuse(w, "%s", why);
		return -EFBIG;
	}
	i->block = info->block_size;
	w->disk.bytes = info->size;
	w->disk.read_only = info->features & RF_BLK_READ_ONLY;
	w->disk.cached = info->features & RF_BLK_HAS_FLUSH;
	w->disk.fua = w->disk.cached && info->features & RF_BLK_HAS_FUA;
	w->judge.g = &w->g;
	info->size = w->g.blocks * w->g.block;
	if (info->max_transfer > WARD_LARGEST)
		info->max_transfer = WARD_LARGEST;
	w->disk.most = info->max_transfer / WARD_PAGE;
	if (info->max_discard > WARD_LARGEST)
		info->max_discard = WARD_LARGEST;
	return 0;
}

static void bulk_part(struct rf_ward *w);

/* What ends the start if it fails. */
static void bulk_done(struct rf_io *io, int status)
{
	struct rf_ward *w = (struct rf_ward *)((char *)io - offsetof(struct rf_ward, start.io));
	struct ward_start *st = &w->start;

	if (ward_gone(w))
		return;
	if (status) {
		refuse(w, "integrity disk: %s: the disk answers %s", st->what, strerror(-status));
		return;
	}
	if (io->op == RF_BLK_READ)
		memcpy(st->bulk + st->over, ward_shared(w, io->arena), io->length);
	st->over += io->length;
	if (st->over < st->bytes)
		bulk_part(w);
	else
		st->then(w);
}

static void bulk_part(struct rf_ward *w)
{
	struct ward_start *st = &w->start;
	struct rf_io *io = &st->io;
	uint32_t left = st->bytes - st->over, most = w->disk.most * WARD_PAGE;

	io->offset = st->at + st->over;
	io->arena = st->arena + st->over;
	io->length = left < most ? left : most;
	ward_send(w, io);
}

static void bulk_send(struct rf_ward *w, const char *what, uint8_t op, uint64_t at, uint32_t pages,
		      void (*then)(struct rf_ward *))
{
	struct ward_start *st = &w->start;

	st->io = (struct rf_io){ .op = op, .done = bulk_done, .internal = true };
	st->what = what;
	st->at = at;
	st->bytes = pages * WARD_PAGE;
	st->over = 0;
	st->then = then;
	bulk_part(w);
}

/* ---- start --------------------------------------------------------------------------------- */

void ward_started(struct rf_ward *w, bool well)
{
	if (!well && !ward_gone(w))
		refuse(w, "integrity disk: checksums cannot be read or written back: the disk fails, or "
				  "its driver lies");
	if (well)
		w->start.phase = WARD_OPEN;
}

/* Pages of a batch that was cut off may lie behind the last one that counts: their numbers are
 * not used again. */
static void journal_over(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;
	uint64_t last = w->start.place - 1, durable = j->notes.durable;

	j->filling = last + 1 + 2 * WARD_BATCH;
	j->written = j->filling - 1;
	for (uint32_t i = 0; i < j->notes.count; i++)
		if (j->notes.known[i].generation <= durable)
			j->notes.known[i].is = 0;
	if (w->disk.read_only)
		ward_started(w, true);
	else
		ward_checkpoint(w);
}

static bool take_page(struct rf_ward *w, const struct ward_page *p)
{
	struct ward_journal *j = &w->journal;
	struct ward_start *st = &w->start;

	if (!ward_page_good(w->judge.key, &w->g, p, st->place) || j->notes.count + p->lines > WARD_KNOWN)
		return false;
	for (uint32_t i = 0; i < p->lines; i++)
		ward_note(&j->notes, p->line[i].block, p->line[i].tag, p->number, KNOWN_DOUBT);
	if (p->durable > j->notes.durable)
		j->notes.durable = p->durable;
	st->place++;
	return true;
}

static void journal_arrived(struct rf_ward *w);

static void journal_next(struct rf_ward *w)
{
	struct ward_start *st = &w->start;
	uint64_t at = st->place % WARD_JOURNAL, left = w->journal.super.journal + WARD_JOURNAL - st->place;
	uint32_t pages = WARD_BULK;

	if (pages > WARD_JOURNAL - at)
		pages = (uint32_t)(WARD_JOURNAL - at);
	if (pages > left)
		pages = (uint32_t)left;
	if (!pages)
		journal_over(w);
	else
		bulk_send(w, "its journal", RF_BLK_READ, w->g.journal_at + at * WARD_PAGE, pages, journal_arrived);
}

static void journal_arrived(struct rf_ward *w)
{
	struct ward_start *st = &w->start;

	for (uint32_t i = 0; i < st->bytes / WARD_PAGE; i++)
		if (!take_page(w, (const void *)(st->bulk + i * WARD_PAGE))) {
			journal_over(w);
			return;
		}
	journal_next(w);
}

static void supers_arrived(struct rf_ward *w)
{
	struct ward_journal *j = &w->journal;
	struct ward_start *st = &w->start;
	bool foreign = false, good = false;

	for (uint32_t i = 0; i < 2; i++) {
		struct ward_super s;

		memcpy(&s, st->bulk + i * WARD_PAGE, sizeof(s));
		enum ward_super_is is = ward_super_look(w->master, &s, w->disk.bytes, w->g.block);
		foreign |= is == WARD_SUPER_FOREIGN;
		if (is == WARD_SUPER_GOOD && (!good || s.number > j->super.number)) {
			j->super = s;
			good = true;
		}
	}
	if (!good) {
		refuse(w, foreign ?
		       "integrity disk: the checksum area of this disk is of another key or another disk, or damaged" :
		       "integrity disk: this disk has no checksum area: 'ringfence format' makes one");
		return;
	}
	ward_key(w->judge.key, w->master, j->super.volume);
	w->judge.adopted = j->super.flags & WARD_ADOPTED;
	st->place = j->super.journal;
	j->notes.durable = j->super.journal - 1;
	journal_next(w);
}

void ward_up(struct integrity *i)
{
	struct rf_ward *w = ward_of(i);
	struct ward_start *st = &w->start;

	if (st->phase != WARD_CLOSED)
		return;
	st->phase = WARD_STARTING;
	bulk_send(w, "its superblocks", RF_BLK_READ, w->g.super_at, 2, supers_arrived);
}
