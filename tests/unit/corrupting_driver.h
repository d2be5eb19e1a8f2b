/* SPDX-License-Identifier: MIT */
/*
 * corrupting_driver.h - a driver that lies about data, and a client that knows what it wrote.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 * Book:   want[] is what a client put into each block; a read is *wrong* if what the driver
 *         left in the arena differs from it. With a layer every wrong read is EIO and no
 *         other is; without it (the control) every wrong read is believed.
 * Area:   CORRUPT_AREA bytes of disk in all, if the layer keeps something behind the blocks.
 */
#ifndef RF_TEST_LIES_H
#define RF_TEST_LIES_H

#include "blk_fixture.h"

enum { BLOCK = 512, BLOCKS = 256, MOST = 8 /* blocks of a request */,
#ifdef CORRUPT_AREA
       DISK = CORRUPT_AREA / BLOCK
#else
       DISK = BLOCKS
#endif
};

enum corruption {
	BIT,       /* a read with one bit turned */
	ZEROED,    /* a read with zeroes for a block */
	UNMOVED,   /* a read that moves nothing */
	MISREAD,   /* a read of other blocks */
	STALE,     /* a read with a block as it was before its last change */
	MIXED,     /* a read with two of its blocks exchanged */
	LOST,      /* a write that does nothing */
	TORN,      /* a write that stops at any byte */
	MISWRITE,  /* a write to other blocks */
	FORGED,    /* a write of a block other than what it was given */
	SWAPPED,   /* two blocks exchanged on the disk */
	CORRUPTIONS
};

static const char *const corruption_name[CORRUPTIONS] = { "bit",     "zeroed", "unmoved",
							  "misread", "stale",  "mixed",
							  "lost",    "torn",   "miswrite",
							  "forged",  "swapped" };

struct world {
	struct served *t;
	uint64_t       dice;
	unsigned       wrong, caught, believed, honest;
	unsigned char  disk[DISK][BLOCK], want[BLOCKS][BLOCK], before[BLOCKS][BLOCK];
};

static uint32_t chance(struct world *w, uint32_t of)
{
	w->dice = w->dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->dice >> 33) % of;
}

static void fill(struct world *w, unsigned char *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)chance(w, 256);
}

static void exchange(unsigned char *a, unsigned char *b)
{
	unsigned char keep[BLOCK];

	memcpy(keep, a, BLOCK);
	memcpy(a, b, BLOCK);
	memcpy(b, keep, BLOCK);
}

/* ---- the driver ------------------------------------------------------------------------ */

static void read_with(struct world *w, int corruption, const struct rf_blk_req *r,
		      unsigned char *data)
{
	uint32_t first = (uint32_t)(r->offset / BLOCK), count = r->length / BLOCK;
	uint32_t pick = chance(w, count);

	if (corruption == UNMOVED)
		return;
	if (corruption == MISREAD)
		first = chance(w, BLOCKS - count + 1);
	memcpy(data, w->disk[first], r->length);
	if (corruption == BIT)
		data[chance(w, r->length)] ^= (unsigned char)(1u << chance(w, 8));
	else if (corruption == ZEROED)
		memset(data + pick * BLOCK, 0, BLOCK);
	else if (corruption == STALE)
		memcpy(data + pick * BLOCK, w->before[first + pick], BLOCK);
	else if (corruption == MIXED)
		exchange(data + pick * BLOCK, data + chance(w, count) * BLOCK);
}

static void write_with(struct world *w, int corruption, const struct rf_blk_req *r,
		       const unsigned char *data)
{
	uint32_t first = (uint32_t)(r->offset / BLOCK), count = r->length / BLOCK;

	if (corruption == LOST)
		return;
	if (corruption == MISWRITE)
		first = chance(w, BLOCKS - count + 1);
	memcpy(w->disk[first], data, corruption == TORN ? chance(w, r->length) : r->length);
	if (corruption == FORGED)
		fill(w, w->disk[first + chance(w, count)], BLOCK);
}

static void honest(struct world *w, const struct rf_blk_req *r, unsigned char *data)
{
	if (r->op == RF_BLK_READ)
		memcpy(data, w->disk[r->offset / BLOCK], r->length);
	else if (r->op == RF_BLK_WRITE)
		memcpy(w->disk[r->offset / BLOCK], data, r->length);
}

/* One request of a driver: those for the clients' blocks with this lie, or none (-1). */
static void serve_one(struct world *w, int corruption)
{
	struct rf_blk_req r = see(w->t);
	unsigned char *data = w->t->rig.data + r.arena;

	if (corruption < 0 || r.op == RF_BLK_FLUSH || r.offset >= BLOCKS * BLOCK)
		honest(w, &r, data);
	else if (r.op == RF_BLK_READ)
		read_with(w, corruption, &r, data);
	else if (r.op == RF_BLK_WRITE)
		write_with(w, corruption, &r, data);
	if (corruption == SWAPPED && r.offset < BLOCKS * BLOCK)
		exchange(w->disk[chance(w, BLOCKS)], w->disk[chance(w, BLOCKS)]);
	ram_answer(&w->t->ram, &r, 0);
	assert_int_equal(rf_blk_poll(w->t->s), 1);
}

/* A request of a client; its status. */
static int serve(struct world *w, int corruption, uint8_t op, uint32_t first, uint32_t count,
		 uint64_t arena)
{
	struct ask a = { .io = { .op = op, .offset = first * BLOCK, .length = count * BLOCK,
				 .arena = arena, .done = ask_done } };

	assert_int_equal(rf_blk_submit(w->t->s, &a.io), 0);
	while (!a.done)
		serve_one(w, corruption);
	return a.status;
}

/* ---- the client ------------------------------------------------------------------------ */

static void client_writes(struct world *w, int corruption, uint32_t first, uint32_t count,
			  uint64_t arena)
{
	memcpy(w->before[first], w->want[first], count * BLOCK);
	fill(w, w->want[first], count * BLOCK);
	memcpy(rf_blk_at(w->t->s, arena), w->want[first], count * BLOCK);
	assert_int_equal(serve(w, corruption, RF_BLK_WRITE, first, count, arena), 0);
}

static void client_reads(struct world *w, int corruption, uint32_t first, uint32_t count,
			 uint64_t arena)
{
	int status = serve(w, corruption, RF_BLK_READ, first, count, arena);
	bool wrong = memcmp(w->t->rig.data + arena, w->want[first], count * BLOCK) != 0;

	/* A client never gets to see anything but what it must. */
	if (!status && memcmp(rf_blk_at(w->t->s, arena), w->want[first], count * BLOCK))
		w->believed++;
	w->wrong += wrong;
	w->caught += wrong && status == -EIO;
	w->honest += !wrong && status == 0;
	assert_true(status == 0 || (wrong && status == -EIO));
}

#endif
