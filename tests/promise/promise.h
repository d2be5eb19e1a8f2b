/* SPDX-License-Identifier: MIT */
/*
 * promise.h - an NBD client that keeps a book of what it was promised.
 *
 * Room:   tests/promise. It reconnects when its connection breaks, sends again what was not
 *         answered, in the old order, and checks every block it reads against the book.
 *         With the record of a device model it also works out what power cuts would have
 *         left of the disk, and looks for every promise there.
 * Book:   each write (or zeroing) is a version. A block must read as a version no older than
 *         any that was asked for before the read, and no newer than any asked for at all:
 *         overlapping requests of one connection are carried out in order. A promise says
 *         from which place of the record on a power cut must not leave less than a version.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

#define BLOCK      4096u
#define MAX_BLOCKS 8u /* of one request */
#define MAX_DEPTH  64u

/* From place `at` of the record on, `block` is, or may be, at `version`. */
struct line {
	uint64_t at, version;
	uint32_t block;
};

struct lines {
	struct line *line;
	size_t       count, room;
};

struct book {
	uint32_t  blocks;
	uint64_t  serial;             /* newest version */
	uint64_t *newest, *zeroed;    /* by block: asked for; of these, the last zeroing */
	uint64_t *acked, *kept;       /* answered; of these, promised to outlive a power cut */
	bool      loses;              /* the device does lose what is only acked, and goes on */
	struct lines promises, zeroes;
	struct record_head *record;   /* NULL: there is none */
};

enum kind { READ, WRITE, ZERO, FLUSH, POISON };

struct request {
	bool      busy;
	enum kind kind;
	bool      fua;
	uint32_t  block, blocks;
	uint64_t  serial;           /* order of submission; of a write, its version */
	uint64_t  low[MAX_BLOCKS];  /* read: the least version that may come back */
	struct lines covers;        /* flush: what it promises */
};

struct figures {
	uint64_t requests, reads, writes, fua, flushes, bytes_verified, reconnects, resent;
	uint64_t errors, flushes_failed, mismatches, poisoned;
	uint64_t cuts, images, candidates, promises_checked, lost;
};

/* ---- book.c ------------------------------------------------------------------------- */

void book_open(struct book *, uint32_t blocks, const char *record);
void block_fill(void *data, uint32_t block, uint64_t version);
/* The version these bytes are of; 0: zeroes; ~0: of none, or of another block. */
uint64_t block_version(const void *data, uint32_t block);
void book_asked(struct book *, struct request *);
/* What was read is as it must be? Says so if not. */
bool book_read(const struct book *, const struct request *, const unsigned char *data);
void book_answered(struct book *, struct request *);
/* A flush said that what was not kept may be gone; so no flush under way promises it. */
void book_lost(struct book *, struct request *all, unsigned count);
void lines_add(struct lines *, struct line);

/* ---- client.c ----------------------------------------------------------------------- */

struct client {
	const char *path;
	int         fd;
	int         patience; /* seconds without any answer, or without a server */
	uint64_t    poison;   /* block that kills drivers; ~0: none */
	uint64_t    pace_us;  /* time between requests; 0: none */
	unsigned    depth;
	struct request slot[MAX_DEPTH];
	unsigned    busy;
	struct book    book;
	struct figures count;
	unsigned char *out;
	size_t      out_at, out_len, out_room;
	unsigned char in[16 + MAX_BLOCKS * BLOCK];
	size_t      in_len;
};

void client_connect(struct client *);
void client_submit(struct client *, struct request *);
/* Sends and receives; waits for at most `ms`. */
void client_turn(struct client *, int ms);

/* ---- cuts.c ------------------------------------------------------------------------- */

/* What power cuts at `cuts` places of the record would leave. */
void cuts_check(const struct book *, uint64_t cuts, uint64_t seed, struct figures *);

uint64_t chance(uint64_t *state);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
