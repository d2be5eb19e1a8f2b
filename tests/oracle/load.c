/* SPDX-License-Identifier: MIT */
/*
 * load.c - what is asked, by whom, and how a client behaves: it pipelines, pauses without
 * reading, vanishes in the middle of a request, closes one direction, comes back.
 *
 * Room:   tests/oracle.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "oracle.h"
#include "proto.h"

#define PAUSE_MS 1500u

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

uint64_t load_chance(struct load *l, uint64_t below)
{
	uint64_t x = l->chance += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % below;
}

void load_open(struct load *l, const struct options *o, struct hazards *h)
{
	*l = (struct load){ .o = *o, .chance = o->seed, .last_ms = now_ms() };
	book_open(&l->book, &l->o, h);
	for (unsigned i = 0; i < o->conns; i++) {
		struct conn *c = &l->conn[i];
		*c = (struct conn){ .number = i, .fd = -1, .depth = (unsigned)o->depth };
		if (!c->depth)
			c->depth = i % 4 ? DEPTH >> i % 3 : 4;
		c->in = malloc(IN_ROOM);
		c->out = malloc(OUT_ROOM);
		if (!c->in || !c->out)
			fail("out of memory");
	}
}

/* ---- one request -------------------------------------------------------------------- */

static enum kind some_kind(struct load *l)
{
	uint64_t n = load_chance(l, 100);

	return n < 42 ? READ : n < 84 ? WRITE : n < 90 ? ZERO : n < 94 ? TRIM : FLUSH;
}

/* Mostly short and in a corner that all share. */
static void some_place(struct load *l, struct op *op)
{
	uint64_t most = MOST / l->o.block, n = load_chance(l, 100), at;

	most = n < 70 ? 8 : n < 96 ? 64 : most;
	op->blocks = (uint32_t)(1 + load_chance(l, most < l->o.blocks ? most : l->o.blocks));
	at = load_chance(l, 2) ? load_chance(l, l->o.blocks / 16) : load_chance(l, l->o.blocks);
	op->block = (uint32_t)(at + op->blocks > l->o.blocks ? l->o.blocks - op->blocks : at);
}

static struct op *free_op(struct conn *c)
{
	for (unsigned i = 0; i < DEPTH; i++)
		if (!c->op[i].busy)
			return &c->op[i];
	return NULL;
}

static void put(struct load *l, struct conn *c, struct op *op)
{
	op->busy = true;
	op->id = ++l->book.serial;
	op->life = c->life;
	op->asked = book_now(&l->book);
	op->since_ms = now_ms();
	c->busy++;
	c->flushes += op->kind == FLUSH;
	book_asked(&l->book, op, c->number);
	conn_put(l, c, op);
}

/* False: there is no room for it now. */
static bool ask(struct load *l, struct conn *c)
{
	struct op *op = free_op(c);

	if (!op || c->busy >= c->depth || c->out_len - c->out_at > OUT_ROOM - MOST - 4096)
		return false;
	*op = (struct op){ .kind = some_kind(l) };
	if (op->kind == FLUSH && c->flushes && load_chance(l, 4))
		op->kind = READ; /* flushes overlap now and then */
	if (op->kind != FLUSH)
		some_place(l, op);
	op->fua = op->kind != READ && op->kind != FLUSH && !load_chance(l, 8);
	op->whole = op->kind == READ && c->structured && c->df_offered &&
		    op->blocks * l->o.block <= 65536 && !load_chance(l, 3);
	put(l, c, op);
	return true;
}

/* ---- answers ------------------------------------------------------------------------ */

/* By a hazard, or by a loss that the device had of its own accord before the first. */
static bool may_be_lost(const struct load *l)
{
	return l->o.cached && (atomic_load(&l->book.hazards->begun) > 1 ||
			       !book_calm(&l->book, 1));
}

static unsigned changes_under_way(const struct conn *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEPTH; i++)
		n += c->op[i].busy && c->op[i].kind != READ && c->op[i].kind != FLUSH &&
		     !c->op[i].fua;
	return n;
}

/*
 * A connection is told of a loss once; of what a loss took of a change that was answered later,
 * once more. What it is told first may be news of before its time. An answer may lie unread for
 * long: it tells of what was lost before it was sent, which is some time after it was asked for.
 */
static bool is_news(const struct load *l, struct conn *c, const struct op *op)
{
	if (!may_be_lost(l))
		return false;
	bool again = c->told_at && op->asked > c->told_at && book_calm(&l->book, c->told_calm);
	if (again && !c->told_cut)
		return false;
	c->told_cut = again ? c->told_cut - 1 : changes_under_way(c);
	c->told_at = l->book.tick;
	c->told_calm = book_stamp(&l->book) == op->calm ? op->calm : 0;
	return true;
}

/* With FUA a change is done as a whole or in part before a loss, and its flush comes behind that.
 * A write needs none: all these devices have FUA. */
static bool may_fail(const struct load *l, const struct op *op, uint32_t error)
{
	return op->fua && op->kind != WRITE && error == NBD_EIO && may_be_lost(l) &&
	       !book_calm(&l->book, op->calm);
}

static void say_for_nothing(struct load *l, const struct conn *c, const struct op *op,
			    uint32_t error)
{
	violation(&l->book,
		  "client %u: a flush fails with %u, and there is nothing to tell: asked at %llu "
		  "by life %llu, answered at %llu; told at %llu, after hazard %llu of %llu",
		  c->number, error, (unsigned long long)op->asked, (unsigned long long)op->life,
		  (unsigned long long)l->book.tick, (unsigned long long)c->told_at,
		  (unsigned long long)c->told_calm,
		  (unsigned long long)atomic_load(&l->book.hazards->begun));
}

static void flush_answered(struct load *l, struct conn *c, const struct op *op, uint32_t error)
{
	c->flushes--;
	if (error) {
		l->count.flushes_failed++;
		c->flush_failed++;
		if (error != NBD_EIO || !is_news(l, c, op))
			say_for_nothing(l, c, op, error);
	} else if (op->asked > c->flush_asked)
		c->flush_asked = op->asked;
	if (c->flushes)
		return;
	/* Of flushes that overlap, the failure of one says what that of all would. */
	if (c->flush_failed)
		book_void(&l->book, c->number);
	else
		book_flushed(&l->book, c->number, c->flush_asked);
	c->flush_failed = 0;
	c->flush_asked = 0;
}

void load_answered(struct load *l, struct conn *c, struct op *op, uint32_t error)
{
	struct figures *n = &l->count;

	l->last_ms = now_ms();
	n->operations++;
	n->reads += op->kind == READ;
	n->writes += op->kind == WRITE;
	n->zeroes += op->kind == ZERO;
	n->trims += op->kind == TRIM;
	n->flushes += op->kind == FLUSH;
	n->fua += op->fua;
	if (op->kind == FLUSH)
		flush_answered(l, c, op, error);
	else if (error && !may_fail(l, op, error))
		violation(&l->book,
			  "client %u: error %u for request %llu, kind %d, of %u blocks at %u",
			  c->number, error, (unsigned long long)op->id, op->kind, op->blocks,
			  op->block);
	else if (!error && op->kind != READ)
		book_answered(&l->book, op);
}

/* ---- behaviour ---------------------------------------------------------------------- */

static bool is_lazy(const struct load *l, const struct conn *c)
{
	return c->number && c->number >= l->o.conns - l->o.lazy;
}

/* The first client is the anchor: it only ever leaves when the server does. */
static void misbehave(struct load *l, struct conn *c)
{
	if (!c->number || c->phase != UP || c->pause_ms)
		return;
	if (!load_chance(l, 4000)) {
		l->count.vanished++;
		conn_broken(l, c, true);
	} else if (!load_chance(l, 6000) && c->out_at == c->out_len) {
		l->count.half_closed++;
		shutdown(c->fd, SHUT_WR);
		c->phase = HALF;
	} else if (is_lazy(l, c) && !load_chance(l, 500)) {
		l->count.pauses++;
		c->pause_ms = now_ms() + load_chance(l, PAUSE_MS);
	}
}

static void live(struct load *l, struct conn *c)
{
	if (c->pause_ms && (l->drain || now_ms() >= c->pause_ms))
		c->pause_ms = 0;
	if (c->phase == DOWN && (!l->drain || !c->number))
		conn_dial(l, c);
	if (l->drain || c->phase != UP)
		return;
	misbehave(l, c);
	while (c->phase == UP && ask(l, c))
		;
	if (c->phase == UP)
		conn_flush_out(l, c);
}

static void find_oldest_read(struct load *l)
{
	l->book.oldest_read = NEVER;
	for (unsigned i = 0; i < l->o.conns; i++)
		for (unsigned k = 0; k < DEPTH && l->conn[i].busy; k++) {
			const struct op *op = &l->conn[i].op[k];
			if (op->busy && op->kind == READ && op->asked < l->book.oldest_read)
				l->book.oldest_read = op->asked;
		}
}

/* A request of a client that reads, too old; NULL: there is none. */
static const struct op *forgotten(const struct load *l)
{
	uint64_t now = now_ms();

	for (unsigned i = 0; i < l->o.conns - l->o.lazy; i++)
		for (unsigned k = 0; k < DEPTH; k++)
			if (l->conn[i].op[k].busy &&
			    now - l->conn[i].op[k].since_ms > l->o.patience * 1000)
				return &l->conn[i].op[k];
	return NULL;
}

static bool hung(struct load *l)
{
	const struct op *op = forgotten(l);

	if (now_ms() - l->last_ms > l->o.patience * 1000)
		violation(&l->book, "nobody was answered for %llu s",
			  (unsigned long long)l->o.patience);
	else if (op)
		violation(&l->book,
			  "request %llu, kind %d, of %u blocks at %u has no answer for %llu s",
			  (unsigned long long)op->id, op->kind, op->blocks, op->block,
			  (unsigned long long)l->o.patience);
	else
		return false;
	return true;
}

bool load_turn(struct load *l)
{
	struct pollfd p[CONNS];

	find_oldest_read(l);
	for (unsigned i = 0; i < l->o.conns; i++) {
		struct conn *c = &l->conn[i];
		live(l, c);
		p[i] = (struct pollfd){ .fd = c->pause_ms ? -1 : c->fd,
					.events = (short)(POLLIN |
							  (c->out_at < c->out_len ? POLLOUT : 0)) };
	}
	if (poll(p, (nfds_t)l->o.conns, 2) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	for (unsigned i = 0; i < l->o.conns; i++)
		if (p[i].revents && p[i].fd == l->conn[i].fd)
			conn_turn(l, &l->conn[i], p[i].revents);
	return !hung(l);
}

/* ---- the end ------------------------------------------------------------------------ */

static bool anybody_busy(const struct load *l)
{
	for (unsigned i = 0; i < l->o.conns; i++)
		if (l->conn[i].busy)
			return true;
	return false;
}

/* Asks the anchor until it is answered. False: hung. */
static bool anchor_asks(struct load *l, enum kind kind, uint32_t block, uint32_t blocks)
{
	struct conn *c = &l->conn[0];
	uint64_t asked = l->count.operations;

	do {
		if (c->phase == UP && !c->busy) {
			c->op[0] = (struct op){ .kind = kind, .block = block, .blocks = blocks };
			put(l, c, &c->op[0]);
			conn_flush_out(l, c);
		}
		if (!load_turn(l))
			return false;
	} while (l->count.operations == asked);
	return true;
}

bool load_settle(struct load *l)
{
	uint64_t failed, tries = 0;

	l->drain = true;
	l->last_ms = now_ms();
	while (anybody_busy(l))
		if (!load_turn(l))
			return false;
	/* One flush may have to tell of a loss; the next may not. */
	do {
		failed = l->count.flushes_failed;
		if (!anchor_asks(l, FLUSH, 0, 0))
			return false;
	} while (l->count.flushes_failed != failed && ++tries < 3);
	if (l->count.flushes_failed != failed)
		violation(&l->book, "flushes fail again and again though nothing dies any more");
	for (uint32_t at = 0, n; at < l->o.blocks; at += n) {
		n = l->o.blocks - at < 64 ? (uint32_t)l->o.blocks - at : 64;
		if (!anchor_asks(l, READ, at, n))
			return false;
	}
	return true;
}
