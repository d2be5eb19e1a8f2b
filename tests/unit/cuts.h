/* SPDX-License-Identifier: MIT */
/*
 * cuts.h - `integrity disk` on a disk with a cache, one request of the driver at a time, and
 * one disaster at any place among them.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 * Script: what a client does: an operation, first block and count, as in "w02" (w write, u write
 *         with FUA, d discard, z zeroing, r read, s flush, without a place); "," waits for all
 *         answers, "." for all that goes on. Scripted disasters: K the driver dies, L the device
 *         loses its cache, E the export dies, P power cut; nothing of the cache is left.
 * Points: of each request of the driver, four: before it is carried out, half of it is, all
 *         of it is, it is answered and nobody has looked. A disaster is at one of them.
 * Book:   versions of each block in the order asked for; which ones a read may find follows
 *         from answers, flushes and losses. A disk that is honest is never an error.
 * Rest:   when the driver has nothing in hand, nobody may wait for anything.
 */
#ifndef RF_TEST_CUTS_H
#define RF_TEST_CUTS_H

#include "area.h"
#include "blk_fixture.h"

/* Blocks of the client: the last two of one table page, the first two of the next. */
enum { BLOCK = 512, BLOCKS = 4, FIRST = 246, SLOTS = 16, VERSIONS = 64, DISK = 280 * 4096 };

enum disaster { NOTHING, DRIVER, LOSS, EXPORT, EXPORT_LOSS, POWER, GONE, ERROR, DISASTERS };
enum { BEFORE, HALF, DONE, ANSWERED };
enum { CUTS = 2, POWER_IS_GONE = 77 /* exit code of a child */ };

struct cut {
	enum disaster what;
	unsigned      at;   /* point */
	uint32_t      keep; /* which of the cache's blocks are left: see kept() */
};

struct book {
	uint32_t version[VERSIONS]; /* 0: zeroes */
	unsigned count, low, floor; /* a read may find [low..count-1]; after a loss from floor on */
};

struct slot {
	struct ask ask; /* first */
	bool       busy, excused, torn;
	uint8_t    op;
	uint32_t   first, count;
	unsigned   index[BLOCKS]; /* write: its version; read, flush: low when it was asked for */
};

struct world {
	struct served     *t;
	struct area        disk;
	unsigned char     *formatted; /* a copy */
	struct book        book[BLOCKS];
	struct slot        slot[SLOTS];
	struct rf_blk_req  hand[RF_BLK_DEPTH];
	uint32_t           in_hand, version, most; /* bytes of a request */
	unsigned           point, cached; /* at the disaster: blocks in the cache */
	unsigned           fallen; /* of cut[], those that were */
	bool               last_first, lost, trace, formatting;
	struct cut         cut[CUTS]; /* in this order */
	const char        *script;
	uint64_t           runs, dice;
};

static uint32_t chance(struct world *w, uint32_t of)
{
	w->dice = w->dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->dice >> 33) % of;
}

static void failed_at(const struct world *w, const char *what)
{
	const struct cut *c = w->cut;

	fail_msg("%s: RF_SCRIPT=\"%s\" RF_CUT=%u,%u,%u,%u,%u,%u; features %#x, most %u, order %u",
		 what, w->script, c[0].what, c[0].at, c[0].keep, c[1].what, c[1].at, c[1].keep,
		 w->t->rig.info.features, w->most, w->last_first);
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void pattern(unsigned char *at, uint32_t block, uint32_t version)
{
	memset(at, version ? (int)(version * 37 + block) & 0xff : 0, BLOCK);
	memcpy(at, &version, sizeof(version));
}

static void execute(struct world *w, const struct rf_blk_req *r, uint32_t blocks)
{
	const bool through = r->flags & RF_BLK_FUA || !(w->t->rig.info.features & RF_BLK_HAS_FLUSH);
	unsigned char *data = w->t->rig.data + r->arena;
	uint64_t first = r->offset / BLOCK;

	if (r->op == RF_BLK_FLUSH && blocks) {
		area_flush(&w->disk);
	} else if (r->op == RF_BLK_READ) {
		memcpy(data, w->disk.cache + r->offset, blocks * BLOCK);
	} else if (r->op == RF_BLK_WRITE) {
		for (uint32_t i = 0; i < blocks; i++)
			area_write(&w->disk, first + i, data + i * BLOCK, through);
	} else if (r->op != RF_BLK_FLUSH) { /* nothing is believed of what is left there */
		unsigned char rest[BLOCK];

		memset(rest, 0xdd, BLOCK);
		for (uint32_t i = 0; i < blocks; i++)
			area_write(&w->disk, first + i, rest, through);
	}
}

/* keep 0: nothing of the cache is left; 1: all; then each block alone; then all but one. */
struct choice {
	uint32_t keep, count, at;
};

static uint32_t choices(uint32_t count)
{
	return count > 1 ? 2 + 2 * count : 1 + count;
}

static uint32_t kept(void *of, uint32_t odds)
{
	struct choice *c = of;
	uint32_t at = c->at++;
	bool left = c->keep == 1 || (c->keep >= 2 && c->keep - 2 < c->count && c->keep - 2 == at) ||
		    (c->keep >= 2 + c->count && c->keep - 2 - c->count != at);

	(void)odds;
	return !left;
}

static void cache_lost(struct world *w, uint32_t keep)
{
	struct choice c = { .keep = keep % choices(w->disk.count), .count = w->disk.count };

	if (!w->fallen)
		w->cached = w->disk.count;
	area_turn(&w->disk, kept, &c, true);
	for (unsigned b = 0; b < BLOCKS; b++)
		w->book[b].low = w->book[b].floor;
	for (struct slot *s = w->slot; s < w->slot + SLOTS; s++) {
		s->torn = s->busy;
		for (unsigned b = 0; b < BLOCKS && s->op == RF_BLK_READ; b++)
			s->index[b] = w->book[b].floor;
	}
	w->lost = true;
}

/* ---- the client ------------------------------------------------------------------------------ */

static struct world *self; /* of done() */

static bool is_change(const struct slot *s)
{
	return rf_op_writes(s->op);
}

static bool clients_wait(const struct world *w)
{
	for (const struct slot *s = w->slot; s < w->slot + SLOTS; s++)
		if (s->busy)
			return true;
	return false;
}

static bool being_changed(const struct world *w, uint32_t b)
{
	for (const struct slot *s = w->slot; s < w->slot + SLOTS; s++)
		if (s->busy && is_change(s) && b >= s->first && b < s->first + s->count)
			return true;
	return false;
}

/* What was read is of some version allowed, and all others are history. */
static void found(struct world *w, struct slot *s, uint32_t b, const unsigned char *data)
{
	struct book *k = &w->book[b];
	unsigned low = ~0u, high = 0;

	for (unsigned i = s->index[b]; i < k->count; i++) {
		unsigned char want[BLOCK];

		pattern(want, b, k->version[i]);
		if (memcmp(want, data, BLOCK))
			continue;
		low = i < low ? i : low;
		high = i;
	}
	if (low == ~0u) {
		printf("# block %u holds version %u; versions from %u to %u are right:", b,
		       *(const uint32_t *)data, s->index[b], k->count - 1);
		for (unsigned i = 0; i < k->count; i++)
			printf(" %u", k->version[i]);
		printf("\n");
		failed_at(w, "a read found what cannot be");
	}
	if (!s->torn && low > k->low)
		k->low = low;
	if (!s->torn && !being_changed(w, b))
		k->count = high + 1;
}

static void read_over(struct world *w, struct slot *s)
{
	const unsigned char *data = rf_blk_at(w->t->s, s->ask.io.arena);

	for (uint32_t i = 0; i < s->count; i++)
		found(w, s, s->first + i, data + i * BLOCK);
}

static void raise_to(unsigned *value, unsigned to)
{
	if (*value < to)
		*value = to;
}

static void over(struct rf_io *io, int status)
{
	struct slot *s = (struct slot *)io;
	struct world *w = self;
	const bool stable = io->flags & RF_BLK_FUA || !(w->t->rig.info.features & RF_BLK_HAS_FLUSH);

	s->busy = false;
	if (s->op <= RF_BLK_WRITE)
		rf_blk_free(w->t->s, io->arena, io->length);
	s->ask.status = status;
	if (status && !s->excused && !(s->op == RF_BLK_FLUSH && w->lost))
		failed_at(w, "a request failed");
	if (status)
		return;
	if (s->op == RF_BLK_READ)
		read_over(w, s);
	for (uint32_t b = 0; b < BLOCKS; b++) {
		if (s->op == RF_BLK_FLUSH)
			raise_to(&w->book[b].floor, s->index[b]);
		if (!is_change(s) || b < s->first || b >= s->first + s->count)
			continue;
		raise_to(&w->book[b].low, s->index[b]);
		if (stable)
			raise_to(&w->book[b].floor, s->index[b]);
	}
}

static void version_add(struct world *w, struct slot *s, uint32_t b, uint32_t version)
{
	struct book *k = &w->book[b];

	assert_true(k->count < VERSIONS);
	s->index[b] = k->count;
	k->version[k->count++] = version;
}

static struct slot *slot_free(struct world *w)
{
	struct slot *s = w->slot;

	while (s->busy)
		assert_true(++s < w->slot + SLOTS);
	return s;
}

/* The driver works until the disk is there. */
static void up(struct world *w);

static struct slot *submit(struct world *w, uint8_t op, uint8_t flags, uint32_t first,
			   uint32_t count)
{
	up(w);
	struct slot *s = slot_free(w);
	struct rf_io *io = &s->ask.io;
	uint32_t version = op == RF_BLK_WRITE ? ++w->version : 0;

	*s = (struct slot){ .busy = true, .op = op, .first = first, .count = count };
	*io = (struct rf_io){ .op = op, .flags = flags, .done = over, .length = count * BLOCK,
			      .offset = count ? (uint64_t)(FIRST + first) * BLOCK : 0 };
	if (op <= RF_BLK_WRITE)
		assert_int_equal(rf_blk_alloc(w->t->s, io->length, &io->arena), 0);
	for (uint32_t b = 0; b < BLOCKS; b++)
		s->index[b] = w->book[b].low;
	for (uint32_t b = first; b < first + count; b++) {
		if (op == RF_BLK_WRITE)
			pattern((unsigned char *)rf_blk_at(w->t->s, io->arena) +
					(b - first) * BLOCK,
				b, version);
		if (op != RF_BLK_READ)
			version_add(w, s, b, version);
	}
	assert_int_equal(rf_blk_submit(w->t->s, io), 0);
	return s;
}

/* ---- disasters ------------------------------------------------------------------------------- */

/* The table pages in memory are used up by others. */
static void forget_pages(struct world *w)
{
	struct tag_table *t = &disk_of(w->t->s)->table;

	for (struct tag_slot *s = t->slot; s < t->slot + TAG_SLOTS; s++)
		if (s->state == SLOT_READY)
			slot_forget(t, s);
}

static void device_opens(struct world *w, bool lost, uint32_t keep)
{
	struct rf_svc_msg msg;

	w->in_hand = 0;
	if (w->runs % 2)
		forget_pages(w);
	while (rig_hear(&w->t->rig, &msg, 0))
		;
	served_down(w->t);
	if (lost) {
		((struct rf_stats_device *)((char *)w->t->rig.stats + RF_STATS_DEVICE))->losses++;
		cache_lost(w, keep);
	}
	rig_quiesced(&w->t->rig, lost);
	served_up(w->t);
}

static void export_ends(struct world *w)
{
	for (struct slot *s = w->slot; s < w->slot + SLOTS; s++)
		s->busy = false;
	service_free(w->t->s);
}

static void export_begins(struct world *w, bool lost, uint32_t keep)
{
	assert_int_equal(rf_blk_open(&w->t->s), 0);
	rig_send(&w->t->rig, RF_SVC_INFO, 0);
	device_opens(w, lost, keep);
}

/* Whoever waits is told so, at once. */
static void device_is_gone(struct world *w)
{
	for (struct slot *s = w->slot; s < w->slot + SLOTS; s++)
		s->excused |= s->busy;
	rig_send(&w->t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(w->t->s), 0);
	if (clients_wait(w))
		failed_at(w, "the device is gone, and a client waits");
}

static void power_fails(struct world *w, uint32_t keep)
{
	export_ends(w);
	cache_lost(w, keep);
	assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
	export_begins(w, false, 0);
}

static void strike(struct world *w, enum disaster what, uint32_t keep)
{
	if (what == POWER || what == GONE) {
		if (what == GONE)
			device_is_gone(w);
		power_fails(w, keep);
	} else if (what == EXPORT || what == EXPORT_LOSS) {
		export_ends(w);
		export_begins(w, what == EXPORT_LOSS, keep);
	} else {
		device_opens(w, what == LOSS, keep);
	}
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* The device says that it could not; whoever waits now may hear of it. A flush that failed may
 * have dropped what it was to write. */
static void device_fails(struct world *w, const struct rf_blk_req *r, uint32_t keep)
{
	if (r->op == RF_BLK_FLUSH && keep)
		cache_lost(w, keep);
	for (struct slot *s = w->slot; s < w->slot + SLOTS; s++) {
		s->excused |= s->busy;
		/* Another flush under way goes well, and speaks of what is left. */
		for (unsigned b = 0; b < BLOCKS && s->op == RF_BLK_FLUSH; b++)
			s->index[b] = w->book[b].low < s->index[b] ? w->book[b].low : s->index[b];
	}
	w->lost = true; /* the flush of a checkpoint */
	ram_answer(&w->t->ram, r, -EIO);
	rf_blk_poll(w->t->s);
}

/* True: something happened there, and this request is none any more. */
static bool falls(struct world *w, const struct rf_blk_req *r, unsigned place)
{
	const struct cut *c = &w->cut[w->fallen];

	if (w->fallen == CUTS || c->what == NOTHING || w->point++ != c->at)
		return false;
	if (w->formatting && c->what == POWER)
		_exit(POWER_IS_GONE);
	if (c->what != ERROR)
		strike(w, c->what, c->keep);
	else if (place == ANSWERED ||
		 !rf_blk_info(w->t->s)) /* a start ends by it, and says so */
		return false;
	else
		device_fails(w, r, c->keep);
	w->fallen++;
	return true;
}

static void serve(struct world *w, const struct rf_blk_req *r)
{
	uint32_t blocks = r->op == RF_BLK_FLUSH ? 1 : r->length / BLOCK;

	if (r->op <= RF_BLK_WRITE && r->length > w->most)
		failed_at(w, "a request longer than the device takes");
	if (w->trace)
		printf("# point %u: op %u at %llu, %u bytes\n", w->point, r->op,
		       (unsigned long long)r->offset, r->length);
	if (falls(w, r, BEFORE))
		return;
	execute(w, r, blocks / 2);
	if (falls(w, r, HALF))
		return;
	execute(w, r, blocks);
	if (falls(w, r, DONE))
		return;
	ram_answer(&w->t->ram, r, 0);
	if (!falls(w, r, ANSWERED))
		rf_blk_poll(w->t->s);
}

/* False: there was nothing to do. */
static bool driver_turn(struct world *w)
{
	rf_blk_push(w->t->s);
	while (ram_take(&w->t->ram, &w->hand[w->in_hand]))
		w->in_hand++;
	if (!w->in_hand)
		return false;
	uint32_t pick = w->last_first ? w->in_hand - 1 : 0;
	struct rf_blk_req r = w->hand[pick];
	memmove(&w->hand[pick], &w->hand[pick + 1], (--w->in_hand - pick) * sizeof(r));
	serve(w, &r);
	return true;
}

static void up(struct world *w)
{
	while (!rf_blk_info(w->t->s) && driver_turn(w))
		;
	if (!rf_blk_info(w->t->s))
		failed_at(w, "the driver has nothing to do, and the disk is not there");
}

static bool anybody_waits(const struct world *w)
{
	const struct disk_store *store = disk_of(w->t->s);

	return clients_wait(w) || !rf_blk_info(w->t->s) ||
	       store->checkpoint.stage != CKPT_IDLE || store->journal.committing ||
	       store->changes.changing || store->changes.room.head ||
	       store->changes.announced.head || store->base.clients.queue_head ||
	       store->own.count != INTERNAL_IOS;
}

static void answers(struct world *w)
{
	while (clients_wait(w))
		if (!driver_turn(w))
			failed_at(w, "the driver has nothing to do, and a client waits");
}

static void settle(struct world *w)
{
	while (driver_turn(w))
		;
	if (anybody_waits(w))
		failed_at(w, "the driver has nothing to do, and somebody waits");
}

#endif
