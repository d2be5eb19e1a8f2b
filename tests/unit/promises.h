/* SPDX-License-Identifier: MIT */
/*
 * promises.h - a client that keeps a book of what SEMANTICS.md promises, and a disk with a
 * cache: random requests of every kind, random deaths of drivers and exports, lies, resets
 * that drop the cache, power cuts.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 * Book:   every change has a number, which is what the block then holds. A block must never
 *         read as older than what was asked for before; and what is promised must be on
 *         stable storage at any moment, because the power may fail at any.
 */
#ifndef RF_TEST_PROMISES_H
#define RF_TEST_PROMISES_H

#include "area.h"
#include "blk_fixture.h"

enum { BLOCKS = 64, SLOTS = 24, MOST = 4 /* blocks of a request */, SECTOR = 4096 };

struct slot {
	struct ask ask; /* first */
	bool       busy;
	uint64_t   serial;
	uint64_t   low[MOST];      /* read: oldest that may come back */
	uint64_t   covers[BLOCKS]; /* flush: what it promises */
	uint32_t   losses;         /* when it was answered */
};

struct world {
	struct served *t;
	uint64_t dice, serial;
	struct slot slot[SLOTS];
	uint32_t told;             /* losses the client heard of */
	uint64_t newest[BLOCKS], cleared[BLOCKS], acked[BLOCKS], sure[BLOCKS], kept[BLOCKS];
	uint64_t cache[BLOCKS], stable[BLOCKS]; /* the disk */
	struct rf_blk_req hand[RF_BLK_DEPTH];   /* of the driver: taken, and not answered */
	struct area area;                       /* behind BLOCKS; bytes 0: there is none */
	unsigned in_hand, deaths, exports, losses, done, refused, cuts;
	bool     dead;             /* it lied */
};

static uint32_t chance(struct world *w, uint32_t of)
{
	w->dice = w->dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->dice >> 33) % of;
}

static uint32_t first(const struct rf_io *io) { return (uint32_t)(io->offset / SECTOR); }
static uint32_t count(const struct rf_io *io) { return io->length / SECTOR; }

/* Zeroes are as new as the newest zeroing that was asked for. */
static uint64_t version(const struct world *w, uint32_t block, uint64_t held)
{
	return held ? held : w->cleared[block];
}

/* ---- the disk: a device that executes in any order, with a cache ------------------------ */

static void sector_fill(void *at, uint64_t held)
{
	memset(at, 0, SECTOR);
	memcpy(at, &held, 8);
}

static uint32_t chance_of(void *w, uint32_t of)
{
	return chance(w, of);
}

/* Does it go to stable storage at once? */
static bool through(const struct world *w, const struct rf_blk_req *r)
{
	return r->flags & RF_BLK_FUA || !(w->t->rig.info.features & RF_BLK_HAS_FLUSH);
}

static void execute_area(struct world *w, const struct rf_blk_req *r, uint32_t blocks)
{
	uint64_t at = r->offset - w->area.at;
	unsigned char *data = w->t->rig.data + r->arena;

	if (r->op == RF_BLK_READ)
		memcpy(data, w->area.cache + at, r->length);
	else
		for (uint32_t i = 0; i < blocks; i++)
			area_write(&w->area, at / AREA_BLOCK + i, data + i * AREA_BLOCK,
				   through(w, r));
}

static bool in_area(const struct world *w, const struct rf_blk_req *r)
{
	return w->area.bytes && r->op != RF_BLK_FLUSH && r->offset >= w->area.at;
}

/* A block of its own, which clients never ask for. */
static void read_block(struct world *w, const struct rf_blk_req *r)
{
	unsigned char sector[SECTOR];

	sector_fill(sector, w->cache[r->offset / SECTOR]);
	memcpy(w->t->rig.data + r->arena, sector + r->offset % SECTOR, r->length);
}

static void execute(struct world *w, const struct rf_blk_req *r)
{
	if (in_area(w, r)) {
		execute_area(w, r, r->length / AREA_BLOCK);
		return;
	}
	if (r->op == RF_BLK_READ && r->length < SECTOR)
		read_block(w, r);
	uint32_t block = (uint32_t)(r->offset / SECTOR), n = r->length / SECTOR;
	unsigned char *data = w->t->rig.data + r->arena;

	if (r->op == RF_BLK_FLUSH) {
		memcpy(w->stable, w->cache, sizeof(w->stable));
		area_flush(&w->area);
	}
	for (uint32_t i = 0; r->op != RF_BLK_FLUSH && i < n; i++) {
		if (r->op == RF_BLK_READ)
			sector_fill(data + i * SECTOR, w->cache[block + i]);
		else if (r->op == RF_BLK_WRITE)
			memcpy(&w->cache[block + i], data + i * SECTOR, 8);
		else
			w->cache[block + i] = 0;
		if (through(w, r))
			w->stable[block + i] = w->cache[block + i];
	}
	for (uint32_t b = 0; b < BLOCKS; b++) /* a cache writes back when it likes */
		if (!chance(w, 200))
			w->stable[b] = w->cache[b];
	area_turn(&w->area, chance_of, w, false);
}

static void driver_turn(struct world *w)
{
	struct served *t = w->t;

	rf_blk_push(t->s);
	while (w->in_hand < RF_BLK_DEPTH && chance(w, 8) && ram_take(&t->ram, &w->hand[w->in_hand]))
		w->in_hand++;
	while (w->in_hand && chance(w, 4)) {
		uint32_t pick = chance(w, w->in_hand);

		execute(w, &w->hand[pick]);
		ram_answer(&t->ram, &w->hand[pick], 0);
		w->hand[pick] = w->hand[--w->in_hand];
	}
	if (!w->dead && !chance(w, 4000)) {
		ram_say(&t->ram, (uint32_t)w->dice, t->rig.generation, 0);
		w->dead = true;
	}
}

/* ---- the client ----------------------------------------------------------------------- */

/* Answers count in the order they were given: a write answered before a loss was not safe,
 * though the client looks at it after a flush that told of the loss. */
static struct rf_blk *answering;
static struct slot *answer[SLOTS];
static unsigned answers;

static void answered(struct rf_io *io, int status)
{
	struct slot *s = (struct slot *)io;

	s->ask.status = status;
	s->ask.done = 1;
	s->losses = rf_blk_losses(answering);
	answer[answers++] = s;
}

static void submit(struct world *w, struct slot *s)
{
	struct rf_io *io = &s->ask.io;

	answering = w->t->s;
	s->ask.done = 0;
	io->done = answered;
	if (io->op <= RF_BLK_WRITE)
		assert_int_equal(rf_blk_alloc(w->t->s, io->length, &io->arena), 0);
	for (uint32_t i = 0; io->op == RF_BLK_WRITE && i < count(io); i++)
		sector_fill((char *)rf_blk_at(w->t->s, io->arena) + i * SECTOR, s->serial);
	assert_int_equal(rf_blk_submit(w->t->s, io), 0);
}

static void ask_for(struct world *w, struct slot *s)
{
	static const uint8_t ops[] = { RF_BLK_READ,    RF_BLK_READ,  RF_BLK_READ,  RF_BLK_WRITE,
				       RF_BLK_WRITE,   RF_BLK_WRITE, RF_BLK_WRITE, RF_BLK_FLUSH,
				       RF_BLK_DISCARD, RF_BLK_ZERO };
	struct rf_io *io = &s->ask.io;

	*s = (struct slot){ .busy = true, .serial = ++w->serial };
	io->op = ops[chance(w, sizeof(ops))];
	if (io->op == RF_BLK_FLUSH) {
		memcpy(s->covers, w->acked, sizeof(s->covers));
	} else {
		io->length = (1 + chance(w, MOST)) * SECTOR;
		io->offset = (uint64_t)chance(w, BLOCKS - count(io) + 1) * SECTOR;
		io->flags = io->op == RF_BLK_WRITE && !chance(w, 6) ? RF_BLK_FUA : 0;
		if (!(w->t->rig.info.features & RF_BLK_HAS_FUA))
			io->flags = 0;
	}
	for (uint32_t i = 0, b = first(io); i < count(io); i++, b++) {
		s->low[i] = w->sure[b];
		if (io->op == RF_BLK_READ)
			continue;
		w->newest[b] = w->sure[b] = s->serial;
		if (io->op != RF_BLK_WRITE)
			w->cleared[b] = s->serial;
	}
	submit(w, s);
}

static void keep(struct world *w, uint32_t block, uint64_t serial)
{
	if (w->kept[block] < serial)
		w->kept[block] = serial;
}

/* A flush fails for each loss the client was not told of, as exports see to. */
static void flush_over(struct world *w, struct slot *s)
{
	bool bad = s->ask.status || w->told != s->losses;

	w->told = s->losses;
	for (uint32_t b = 0; b < BLOCKS && !bad; b++)
		keep(w, b, s->covers[b]);
	if (!bad)
		return;
	/* Nothing that was not kept may be relied on, by flushes under way either. */
	for (unsigned i = 0; i < SLOTS; i++)
		memset(w->slot[i].covers, 0, sizeof(w->slot[i].covers));
	memset(w->acked, 0, sizeof(w->acked));
	w->refused++;
}

static void read_over(struct world *w, struct slot *s)
{
	for (uint32_t i = 0, b = first(&s->ask.io); i < count(&s->ask.io); i++, b++) {
		uint64_t held;

		memcpy(&held, (char *)rf_blk_at(w->t->s, s->ask.io.arena) + i * SECTOR, 8);
		assert_in_range(version(w, b, held), s->low[i], w->newest[b]);
	}
}

static void over(struct world *w, struct slot *s)
{
	struct rf_io *io = &s->ask.io;

	s->busy = false;
	w->done++;
	if (io->op == RF_BLK_FLUSH)
		return flush_over(w, s);
	assert_int_equal(s->ask.status, 0);
	if (io->op == RF_BLK_READ)
		read_over(w, s);
	for (uint32_t i = 0, b = first(io); io->op != RF_BLK_READ && i < count(io); i++, b++) {
		if (w->acked[b] < s->serial)
			w->acked[b] = s->serial;
		if (io->flags & RF_BLK_FUA)
			keep(w, b, s->serial);
	}
	if (io->op <= RF_BLK_WRITE)
		rf_blk_free(w->t->s, io->arena, io->length);
}

static void client_turn(struct world *w)
{
	for (unsigned i = 0; i < answers; i++)
		over(w, answer[i]);
	answers = 0;
	for (unsigned i = chance(w, SLOTS), n = 0; n < SLOTS && chance(w, 4);
	     i = (i + 1) % SLOTS, n++)
		if (!w->slot[i].busy)
			ask_for(w, &w->slot[i]);
}

/* ---- disasters ------------------------------------------------------------------------ */

/* The cache is dropped, or any part of it: what was not kept may have gone back. */
static void lose(struct world *w)
{
	for (uint32_t b = 0; b < BLOCKS; b++) {
		if (chance(w, 2))
			w->cache[b] = w->stable[b];
		w->sure[b] = w->kept[b];
	}
	area_turn(&w->area, chance_of, w, true);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slot[i];

		for (uint32_t n = 0, b = first(&s->ask.io); s->busy && n < count(&s->ask.io);
		     n++, b++) {
			if (s->ask.io.op == RF_BLK_READ)
				s->low[n] = 0;
			else if (!s->ask.done && w->sure[b] < s->serial)
				w->sure[b] = s->serial;
		}
	}
	w->losses++;
}

static void driver_dies(struct world *w)
{
	struct served *t = w->t;
	bool lost = !chance(w, 5);
	struct rf_svc_msg msg;

	/* Of what it had taken, some was carried out and never answered. */
	for (uint32_t i = 0; i < w->in_hand; i++)
		if (chance(w, 2))
			execute(w, &w->hand[i]);
	w->in_hand = 0;
	w->dead = false;
	while (rig_hear(&t->rig, &msg, 0))
		; /* what it complained of */
	served_down(t);
	if (lost) {
		((struct rf_stats_device *)((char *)t->rig.stats + RF_STATS_DEVICE))->losses++;
		lose(w);
	}
	rig_quiesced(&t->rig, lost);
	served_up(t);
	w->deaths++;
}

/* The driver works until clients may come; `turns`: no longer than that. */
static bool bring_up(struct world *w, unsigned turns)
{
	while (!rf_blk_info(w->t->s) && turns--) {
		driver_turn(w);
		rf_blk_poll(w->t->s);
		if (w->dead || !chance(w, 300))
			driver_dies(w);
	}
	return rf_blk_info(w->t->s);
}

static void export_opens(struct world *w)
{
	answers = 0; /* what the client did not look at never reached it */
	assert_int_equal(rf_blk_open(&w->t->s), 0);
	rig_send(&w->t->rig, RF_SVC_INFO, 0);
	driver_dies(w);
}

/* Whoever had no answer asks again, in the old order. */
static void clients_come_back(struct world *w)
{
	uint64_t after = 0;
	struct slot *next;

	w->told = rf_blk_losses_reported(w->t->s);
	do {
		next = NULL;
		for (unsigned i = 0; i < SLOTS; i++)
			if (w->slot[i].busy && w->slot[i].serial > after &&
			    (!next || w->slot[i].serial < next->serial))
				next = &w->slot[i];
		if (next)
			submit(w, next);
		after = next ? next->serial : 0;
	} while (next);
}

static void export_dies(struct world *w)
{
	service_free(w->t->s);
	export_opens(w);
	assert_true(bring_up(w, ~0u));
	w->exports++;
	clients_come_back(w);
}

static void power_could_fail(const struct world *w)
{
	for (uint32_t b = 0; b < BLOCKS; b++) {
		assert_true(version(w, b, w->stable[b]) >= w->kept[b]);
		assert_true(version(w, b, w->cache[b]) >= w->kept[b]);
	}
}

#endif
