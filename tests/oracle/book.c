/* SPDX-License-Identifier: MIT */
/*
 * book.c - for every block all changes that may still be read: see README.md.
 *
 * Room:   tests/oracle.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

#define STAMP 0x6f7261636c652121ull
#define ZEROES 0u        /* what a block of zeroes is said to be of */
#define BROKEN UINT64_MAX /* ... and one that is of no request */

static const char *const names[] = { "read", "write", "zero", "trim", "flush", "initial" };

void violation(struct book *b, const char *format, ...)
{
	va_list args;

	if (b->violations++ >= 10)
		return;
	va_start(args, format);
	fprintf(stderr, "VIOLATION (seed %llu): ", (unsigned long long)b->o->seed);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

uint64_t book_now(struct book *b)
{
	return ++b->tick;
}

/* ---- contents ----------------------------------------------------------------------- */

/* Every word depends on block, request, seed and its own place. */
static void pattern(const struct book *b, uint64_t *word, uint32_t block, uint64_t id)
{
	uint64_t mix = (id * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)block << 20) ^ b->o->seed;

	word[0] = STAMP;
	word[1] = block;
	word[2] = id;
	word[3] = b->o->seed;
	for (unsigned i = 4; i < b->o->block / 8; i++)
		word[i] = mix += 0xbf58476d1ce4e5b9ull;
}

void block_fill(const struct book *b, void *data, uint32_t block, uint64_t id)
{
	uint64_t word[512];

	pattern(b, word, block, id);
	memcpy(data, word, b->o->block);
}

static bool all_zero(const uint64_t *word, unsigned count)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < count; i++)
		any |= word[i];
	return !any;
}

static uint64_t identify(const struct book *b, const void *data, uint32_t block)
{
	uint64_t word[512], want[512];

	memcpy(word, data, b->o->block);
	if (all_zero(word, (unsigned)b->o->block / 8))
		return ZEROES;
	if (word[0] != STAMP)
		return BROKEN;
	pattern(b, want, block, word[2]);
	return memcmp(word, want, b->o->block) ? BROKEN : word[2];
}

/* ---- versions ----------------------------------------------------------------------- */

void book_open(struct book *b, const struct options *o, struct hazards *h)
{
	*b = (struct book){ .o = o, .hazards = h, .block = calloc(o->blocks, sizeof(*b->block)),
			    .oldest_read = NEVER };
	if (!b->block)
		fail("out of memory");
	for (uint32_t i = 0; i < o->blocks; i++) {
		b->block[i].version = calloc(b->block[i].room = 8, sizeof(struct version));
		if (!b->block[i].version)
			fail("out of memory");
		b->block[i].version[b->block[i].count++] =
			(struct version){ .kind = INITIAL, .sure = true, .durable = true };
	}
}

uint64_t book_stamp(const struct book *b)
{
	uint64_t ended = atomic_load(&b->hazards->ended);

	return atomic_load(&b->hazards->begun) == ended ? ended : 0;
}

static bool calm_since(const struct book *b, uint64_t when)
{
	return when && atomic_load(&b->hazards->begun) == when;
}

bool book_calm(const struct book *b, uint64_t since)
{
	return calm_since(b, since) && !(b->lost && b->lost(b->o, b->hazards));
}

/* Has it been on the disk without a break since it got there? */
static bool safe(const struct book *b, const struct version *v)
{
	return v->sure && (v->durable || calm_since(b, v->calm));
}

/* `later` took effect after `v`, if both did. */
static bool after(const struct version *later, const struct version *v)
{
	return v->done < later->asked || (v->life == later->life && v->id < later->id) ||
	       (v->beaten_by && v->beaten_by == later->id);
}

/* Must a read that was asked then, on that life, see it or something newer? */
static bool settled(const struct version *v, const struct op *r)
{
	if (!v->sure || v->kind == TRIM)
		return false;
	return v->done < r->asked || (v->life == r->life && v->id < r->id && v->acked != NEVER);
}

/* What makes `v` no possible answer; NULL: it is one. */
static const struct version *killer(const struct book *b, const struct block *at,
				    const struct version *v, const struct op *r)
{
	for (uint32_t i = 0; i < at->count; i++) {
		const struct version *w = &at->version[i];

		if (w == v || !after(w, v) || !settled(w, r) || !safe(b, w))
			continue;
		if (v->beaten_by == w->id && v->beaten_at >= r->asked &&
		    !(v->done < w->asked || (v->life == w->life && v->id < w->id)))
			continue; /* a read under way beside this one saw it */
		return w;
	}
	return NULL;
}

/* The same, where a device that lost its cache by itself, or was reset for being late, is heard
 * of. */
static const struct version *judge(const struct book *b, const struct block *at,
				   const struct version *v, const struct op *r)
{
	const struct version *w = killer(b, at, v, r);

	if (w && !w->durable && b->lost && b->lost(b->o, b->hazards))
		w = killer(b, at, v, r);
	return w;
}

/* Can no read see it any more, for good? */
static const struct version *grave(const struct book *b, const struct block *at,
				   const struct version *v)
{
	for (uint32_t i = 0; i < at->count; i++) {
		const struct version *w = &at->version[i];

		if (w != v && w->sure && w->durable && w->kind != TRIM &&
		    w->done < b->oldest_read && after(w, v) &&
		    (!v->beaten_by || v->beaten_at < b->oldest_read))
			return w;
	}
	return NULL;
}

static void prune(const struct book *b, struct block *at)
{
	for (uint32_t i = 0; i < at->count; i++) {
		const struct version *w = grave(b, at, &at->version[i]);

		if (!w)
			continue;
		for (uint32_t k = 0; k < at->count; k++)
			if (at->version[i].id && at->version[k].beaten_by == at->version[i].id)
				at->version[k].beaten_by = w->id;
		memmove(&at->version[i], &at->version[i + 1],
			(at->count - i - 1) * sizeof(*at->version));
		at->count--;
		i--;
	}
}

static void add(struct book *b, struct block *at, struct version v)
{
	if (at->count == at->room) {
		prune(b, at);
		if (at->count > at->room / 2)
			at->version = realloc(at->version, (at->room *= 2) * sizeof(v));
		if (!at->version)
			fail("out of memory");
	}
	at->version[at->count++] = v;
}

void book_asked(struct book *b, struct op *op, unsigned client)
{
	op->calm = book_stamp(b);
	if (op->kind == READ || op->kind == FLUSH)
		return;
	for (uint32_t i = 0; i < op->blocks; i++)
		add(b, &b->block[op->block + i],
		    (struct version){ .id = op->id,
				      .life = op->life,
				      .asked = op->asked,
				      .done = NEVER,
				      .acked = NEVER,
				      .client = (uint16_t)client,
				      .kind = (uint8_t)op->kind });
}

static struct version *find(struct block *at, uint64_t id)
{
	for (uint32_t i = at->count; i-- > 0;)
		if (at->version[i].id == id && at->version[i].kind != INITIAL)
			return &at->version[i];
	return NULL;
}

static void promise(const struct book *b, struct version *v, const char *by)
{
	v->durable = true;
	v->promised = b->tick;
	v->by = by;
}

void book_answered(struct book *b, const struct op *op)
{
	/* The answer may have been sent, or a part of a long request been done, before a loss that
	 * came while it was under way. */
	uint64_t calm = calm_since(b, op->calm) ? op->calm : 0;

	for (uint32_t i = 0; i < op->blocks; i++) {
		struct version *v = find(&b->block[op->block + i], op->id);

		if (!v)
			continue; /* something newer was made durable meanwhile */
		v->acked = b->tick;
		v->done = v->done < b->tick ? v->done : b->tick;
		v->calm = calm;
		v->sure = true;
		if (op->fua || !b->o->cached)
			promise(b, v, op->fua ? "FUA" : "its answer: no cache");
	}
}

void book_unsent(struct book *b, const struct op *op, uint32_t from)
{
	for (uint32_t i = from; i < op->blocks; i++) {
		struct block *at = &b->block[op->block + i];
		struct version *v = find(at, op->id);

		if (!v)
			continue;
		*v = at->version[--at->count];
	}
}

void book_ended(struct book *b, uint64_t life, uint64_t moment)
{
	for (uint32_t i = 0; i < b->o->blocks; i++)
		for (uint32_t k = 0; k < b->block[i].count; k++) {
			struct version *v = &b->block[i].version[k];
			if (v->done == NEVER && v->life < life)
				v->done = moment;
		}
}

/* ---- flushes ------------------------------------------------------------------------ */

void book_flushed(struct book *b, unsigned client, uint64_t asked)
{
	for (uint32_t i = 0; i < b->o->blocks; i++)
		for (uint32_t k = 0; k < b->block[i].count; k++) {
			struct version *v = &b->block[i].version[k];
			if (v->durable || v->acked >= asked)
				continue;
			/* Somebody else's may have been lost, which only he is told. */
			if (v->client == client && !v->voided)
				promise(b, v, "its client's flush");
			else if (calm_since(b, v->calm))
				promise(b, v, "another client's flush");
		}
}

void book_void(struct book *b, unsigned client)
{
	for (uint32_t i = 0; i < b->o->blocks; i++)
		for (uint32_t k = 0; k < b->block[i].count; k++) {
			struct version *v = &b->block[i].version[k];
			if (v->client == client && v->acked != NEVER)
				v->voided = true;
		}
}

/* ---- reads -------------------------------------------------------------------------- */

/* A read saw `v`: it is there, and what was there before the read was asked is older. */
static void seen(struct book *b, struct block *at, struct version *v, const struct op *r)
{
	if (v->kind == TRIM || v->kind == INITIAL)
		return;
	if (!v->sure) {
		v->sure = true;
		v->calm = calm_since(b, r->calm) ? r->calm : 0;
		v->done = v->done < b->tick ? v->done : b->tick;
	}
	for (uint32_t i = 0; i < at->count; i++) {
		struct version *w = &at->version[i];

		if (w == v || w->beaten_by || w->kind == TRIM || w->done >= r->asked ||
		    !safe(b, w) || after(v, w) || after(w, v))
			continue;
		w->beaten_by = v->id;
		w->beaten_at = b->tick;
	}
}

static void say(struct book *b, const struct op *r, uint32_t block, const struct version *v,
		const struct version *w)
{
	violation(b,
		  "block %u, read asked at %llu by life %llu, answered at %llu: %s %llu (life "
		  "%llu, client %u, "
		  "asked %llu, done %lld, acked %lld) is older than %s %llu (life %llu, client %u, "
		  "asked %llu, "
		  "done %lld, acked %lld%s%s at %llu)",
		  block, (unsigned long long)r->asked, (unsigned long long)r->life,
		  (unsigned long long)b->tick, names[v->kind], (unsigned long long)v->id,
		  (unsigned long long)v->life, v->client, (unsigned long long)v->asked,
		  (long long)v->done, (long long)v->acked, names[w->kind],
		  (unsigned long long)w->id, (unsigned long long)w->life, w->client,
		  (unsigned long long)w->asked, (long long)w->done, (long long)w->acked,
		  w->durable ? ", durable by " : "", w->durable && w->by ? w->by : "",
		  (unsigned long long)w->promised);
}

static bool zeroes_allowed(struct book *b, struct block *at, const struct op *r, uint32_t block)
{
	const struct version *w = NULL, *last = NULL, *beaten = NULL;
	struct version *only = NULL;
	unsigned legal = 0;

	for (uint32_t i = 0; i < at->count; i++) {
		struct version *v = &at->version[i];

		if (v->kind == WRITE)
			continue;
		if ((w = judge(b, at, v, r))) {
			last = w;
			beaten = v;
			continue;
		}
		legal++;
		only = v;
	}
	if (legal == 1)
		seen(b, at, only, r);
	if (!legal && last)
		say(b, r, block, beaten, last);
	else if (!legal)
		violation(b, "block %u reads as zeroes, which were overwritten for good", block);
	return legal;
}

static void say_broken(struct book *b, uint32_t block, const unsigned char *data)
{
	uint64_t word[4];

	memcpy(word, data, sizeof(word));
	if (word[0] == STAMP)
		violation(b, "block %u holds bytes of block %llu, request %llu%s", block,
			  (unsigned long long)word[1], (unsigned long long)word[2],
			  word[1] == block ? ", not all of them" : "");
	else
		violation(b, "block %u holds bytes that nobody wrote (%016llx)", block,
			  (unsigned long long)word[0]);
}

static bool one_read(struct book *b, const struct op *r, uint32_t block, const unsigned char *data)
{
	struct block *at = &b->block[block];
	uint64_t id = identify(b, data, block);

	if (id == ZEROES)
		return zeroes_allowed(b, at, r, block);
	if (id == BROKEN) {
		say_broken(b, block, data);
		return false;
	}
	struct version *v = find(at, id);
	if (!v || v->kind != WRITE) {
		violation(b,
			  "block %u reads as request %llu, which was overwritten for good or never "
			  "sent "
			  "(read asked at %llu by life %llu, answered at %llu)",
			  block, (unsigned long long)id, (unsigned long long)r->asked,
			  (unsigned long long)r->life, (unsigned long long)b->tick);
		return false;
	}
	const struct version *w = judge(b, at, v, r);
	if (w)
		say(b, r, block, v, w);
	else
		seen(b, at, v, r);
	return !w;
}

bool book_read(struct book *b, const struct op *r, const unsigned char *data)
{
	bool good = true;

	for (uint32_t i = 0; i < r->blocks; i++)
		good &= one_read(b, r, r->block + i, data + (size_t)i * b->o->block);
	b->verified += (uint64_t)r->blocks * b->o->block;
	return good;
}
