/* SPDX-License-Identifier: MIT */
/*
 * conn.c - one connection of the oracle: handshake, requests out, answers in. Nothing blocks.
 *
 * Room:   tests/oracle. The NBD protocol: fixed newstyle, simple and structured replies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "oracle.h"
#include "proto.h"

#define HELLO_BYTES 18u
#define NAMED_BYTES 10u /* the answer to EXPORT_NAME, without zeroes */
#define REDIAL_MS   3u
#define OFFSET_HOLE 2u
#define NONE        0u

/* ---- its life ----------------------------------------------------------------------- */

static void down(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->phase = DOWN;
	c->in_len = c->out_at = c->out_len = 0;
	c->redial_ms = now_ms() + REDIAL_MS;
}

static void drop_op(struct load *l, struct conn *c, struct op *op)
{
	uint64_t sent = c->sent > op->sent_from ? c->sent - op->sent_from : 0;

	if (op->kind == WRITE)
		book_unsent(&l->book, op, (uint32_t)(sent / l->o.block));
	free(op->data);
	*op = (struct op){ 0 };
}

void conn_broken(struct load *l, struct conn *c, bool ours)
{
	const struct conn *anchor = &l->conn[0];

	if (c->phase >= UP) {
		l->count.reconnects++;
		if (c == anchor)
			l->anchor_broke |= !ours;
		else if (!ours && (c->phase == UP || c->busy)) {
			/* Who dialled before the anchor's server was there was perhaps greeted by
			 * the one before. */
			bool another = c->dialled < anchor->up_at && anchor->up_at < c->up_at;
			c->dropped_at = book_now(&l->book);
			c->dropped_life = anchor->phase == UP && !another ? anchor->life : 0;
		}
		/* The news of a loss may have gone with an answer that we did not wait for. */
		if (ours && c->flushes)
			book_void(&l->book, c->number);
	}
	for (unsigned i = 0; i < DEPTH; i++)
		if (c->op[i].busy)
			drop_op(l, c, &c->op[i]);
	c->busy = c->flushes = c->flush_failed = 0;
	c->flush_asked = 0;
	down(c);
}

void conn_dial(struct load *l, struct conn *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (now_ms() < c->redial_ms)
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", l->o.socket);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		fail("socket: %s", strerror(errno));
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a))) {
		down(c);
		return;
	}
	c->phase = GREETING;
	c->dialled = book_now(&l->book);
	c->sent = c->queued = 0;
	c->structured = load_chance(l, 2);
	c->go = c->structured || load_chance(l, 2);
}

static bool ended(const struct conn *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void came_up(struct load *l, struct conn *c)
{
	bool alone = true;

	for (unsigned i = 0; i < l->o.conns; i++) {
		struct conn *other = &l->conn[i];
		if (other == c || other->phase < UP)
			continue;
		/* What it got before its end counts first. */
		conn_turn(l, other, POLLIN);
		alone &= other->phase < UP || ended(other);
	}
	c->phase = UP;
	c->life = ++l->lives;
	c->up_at = book_now(&l->book);
	c->sole = alone && l->anchor_broke;
	c->told_at = c->told_calm = c->told_cut = 0;
	c->pause_ms = 0;
	l->last_ms = now_ms();
}

/* The first answer of a server that has none of the old connections: it is another one, and
 * what its predecessor had not answered took place before it let us in, or never will. */
static void another_server(struct load *l, struct conn *c)
{
	c->sole = false;
	l->anchor_broke = false;
	book_ended(&l->book, c->life, c->up_at);
	for (unsigned i = 0; i < l->o.conns; i++)
		l->conn[i].dropped_at = 0;
}

/* The anchor is answered what it asked after somebody else was hung up on: for no reason then. */
static void judge_drops(struct load *l, const struct op *op)
{
	for (unsigned i = 1; i < l->o.conns; i++) {
		struct conn *c = &l->conn[i];

		if (!c->dropped_at || c->dropped_life != op->life || op->asked <= c->dropped_at)
			continue;
		violation(&l->book, "the server hung up on client %u, and went on serving others",
			  i);
		c->dropped_at = 0;
	}
}

/* ---- handshake ---------------------------------------------------------------------- */

static unsigned char *option(unsigned char *p, uint32_t which, uint32_t bytes)
{
	return be32_put(be32_put(be64_put(p, NBD_OPTS_MAGIC), which), bytes);
}

/* All our words at once, so that no answer is waited for. */
static void greet(struct conn *c)
{
	unsigned char *p = be32_put(c->out, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);

	if (c->structured)
		p = option(p, NBD_OPT_STRUCTURED_REPLY, 0);
	if (c->go)
		p = be16_put(be32_put(option(p, NBD_OPT_GO, 6), 0), 0);
	else
		p = option(p, NBD_OPT_EXPORT_NAME, 0);
	c->out_len = (size_t)(p - c->out);
	c->out_at = 0;
	c->phase = OPTIONS;
}

static void eat(struct conn *c, size_t bytes)
{
	memmove(c->in, c->in + bytes, c->in_len -= bytes);
}

/* One answer to an option. False: it is not all there. */
static bool option_answered(struct load *l, struct conn *c)
{
	if (c->in_len < 20 || c->in_len - 20 < be32_get(c->in + 16))
		return false;
	uint32_t which = be32_get(c->in + 8), type = be32_get(c->in + 12),
		 bytes = be32_get(c->in + 16);
	if (be64_get(c->in) != NBD_REP_MAGIC || type & 0x80000000u)
		fail("the server refuses option %u with %#x", which, type);
	if (type == NBD_REP_INFO && bytes == 12 && be16_get(c->in + 20) == NBD_INFO_EXPORT)
		c->df_offered = be16_get(c->in + 30) & NBD_FLAG_SEND_DF;
	eat(c, 20 + bytes);
	if (which == NBD_OPT_GO && type == NBD_REP_ACK)
		came_up(l, c);
	return true;
}

static bool shake(struct load *l, struct conn *c)
{
	if (c->phase == GREETING) {
		if (c->in_len < HELLO_BYTES)
			return false;
		if (be64_get(c->in) != NBD_MAGIC)
			fail("this is no NBD server");
		eat(c, HELLO_BYTES);
		greet(c);
		return true;
	}
	if (c->go)
		return option_answered(l, c);
	if (c->in_len < NAMED_BYTES)
		return false;
	eat(c, NAMED_BYTES);
	came_up(l, c);
	return true;
}

/* ---- requests ----------------------------------------------------------------------- */

void conn_put(struct load *l, struct conn *c, struct op *op)
{
	static const uint16_t types[] = { [READ] = NBD_CMD_READ,
					  [WRITE] = NBD_CMD_WRITE,
					  [ZERO] = NBD_CMD_WRITE_ZEROES,
					  [TRIM] = NBD_CMD_TRIM,
					  [FLUSH] = NBD_CMD_FLUSH };
	size_t bytes = (size_t)(op->blocks * l->o.block), data = op->kind == WRITE ? bytes : 0;

	if (c->out_at) {
		memmove(c->out, c->out + c->out_at, c->out_len -= c->out_at);
		c->out_at = 0;
	}
	unsigned char *p = be32_put(c->out + c->out_len, NBD_REQUEST_MAGIC);
	p = be16_put(p, (uint16_t)((op->fua ? NBD_CMD_FLAG_FUA : 0) |
				   (op->whole ? NBD_CMD_FLAG_DF : 0)));
	p = be16_put(p, types[op->kind]);
	p = be64_put(p, (uint64_t)(op - c->op));
	p = be64_put(p, op->kind == FLUSH ? 0 : op->block * l->o.block);
	p = be32_put(p, op->kind == FLUSH ? 0 : (uint32_t)bytes);
	op->sent_from = c->queued + NBD_REQUEST_BYTES;
	for (uint32_t i = 0; data && i < op->blocks; i++, p += l->o.block)
		block_fill(&l->book, p, op->block + i, op->id);
	c->out_len = (size_t)(p - c->out);
	c->queued += NBD_REQUEST_BYTES + data;
}

void conn_flush_out(struct load *l, struct conn *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			/* Its answers so far are worth reading: the end comes with them. */
			c->out_at = c->out_len = 0;
			return;
		}
		c->out_at += (size_t)n;
		if (c->phase >= UP)
			c->sent += (size_t)n;
	}
	(void)l;
}

/* ---- answers ------------------------------------------------------------------------ */

static struct op *answered_op(struct conn *c, uint64_t handle)
{
	return handle < DEPTH && c->op[handle].busy ? &c->op[handle] : NULL;
}

static void done(struct load *l, struct conn *c, struct op *op, uint32_t error)
{
	book_now(&l->book);
	if (c->sole)
		another_server(l, c);
	if (c == &l->conn[0])
		judge_drops(l, op);
	load_answered(l, c, op, error);
	free(op->data);
	*op = (struct op){ 0 };
	c->busy--;
}

/* False: not all there; the connection goes on. A protocol error breaks it. */
static bool simple(struct load *l, struct conn *c)
{
	struct op *op = answered_op(c, be64_get(c->in + 8));
	uint32_t error = be32_get(c->in + 4);

	if (!op || (c->structured && op->kind == READ)) {
		violation(&l->book, "client %u: a reply to nothing that was asked", c->number);
		conn_broken(l, c, true);
		return false;
	}
	size_t data = op->kind == READ && !error ? op->blocks * l->o.block : 0;
	if (c->in_len < NBD_SIMPLE_BYTES + data)
		return false;
	if (data) {
		book_now(&l->book);
		book_read(&l->book, op, c->in + NBD_SIMPLE_BYTES);
	}
	eat(c, NBD_SIMPLE_BYTES + data);
	done(l, c, op, error);
	return true;
}

/* Takes data or a hole of a read. False: it is not part of it. */
static bool piece(const struct load *l, struct op *op, uint16_t type, const unsigned char *p,
		  uint32_t bytes)
{
	uint64_t length = op->blocks * l->o.block, from;

	if (op->kind != READ || bytes < 9 || (type == OFFSET_HOLE && bytes != 12))
		return false;
	uint64_t n = type == OFFSET_HOLE ? be32_get(p + 8) : bytes - 8;
	from = be64_get(p) - op->block * l->o.block;
	if (from > length || n > length - from || (op->whole && n != length))
		return false;
	if (!op->data && !(op->data = malloc(length)))
		fail("out of memory");
	if (type == OFFSET_HOLE)
		memset(op->data + from, 0, n);
	else
		memcpy(op->data + from, p + 8, n);
	op->got += n;
	return true;
}

static bool chunk(struct load *l, struct conn *c)
{
	uint16_t flags = be16_get(c->in + 4), type = be16_get(c->in + 6);
	uint32_t bytes = be32_get(c->in + 16), error = 0;
	struct op *op = answered_op(c, be64_get(c->in + 8));
	const unsigned char *p = c->in + NBD_CHUNK_BYTES;

	if (op && bytes <= MOST + 8 && c->in_len < NBD_CHUNK_BYTES + bytes)
		return false;
	if (type & 0x8000u && bytes >= 6)
		error = be32_get(p);
	bool good = op && c->structured && bytes <= MOST + 8 &&
		    (error || (type == NONE && flags & NBD_REPLY_FLAG_DONE) ||
		     ((type == NBD_REPLY_TYPE_OFFSET_DATA || type == OFFSET_HOLE) &&
		      piece(l, op, type, p, bytes)));
	bool last = flags & NBD_REPLY_FLAG_DONE;
	if (good && error)
		op->error = error; /* one chunk's fails the request */
	if (!good ||
	    (last && !op->error && op->kind == READ && op->got != op->blocks * l->o.block)) {
		violation(&l->book, "client %u: a chunk that does not answer its request",
			  c->number);
		conn_broken(l, c, true);
		return false;
	}
	eat(c, NBD_CHUNK_BYTES + bytes);
	if (!last)
		return true;
	if (op->kind == READ && !op->error) {
		book_now(&l->book);
		book_read(&l->book, op, op->data);
	}
	done(l, c, op, op->error);
	return true;
}

static bool take(struct load *l, struct conn *c)
{
	if (c->phase == DOWN)
		return false;
	if (c->phase < UP)
		return shake(l, c);
	if (c->in_len < NBD_CHUNK_BYTES &&
	    (c->in_len < NBD_SIMPLE_BYTES || be32_get(c->in) != NBD_SIMPLE_MAGIC))
		return false;
	if (be32_get(c->in) == NBD_SIMPLE_MAGIC)
		return simple(l, c);
	if (be32_get(c->in) == NBD_STRUCTURED_MAGIC)
		return chunk(l, c);
	violation(&l->book, "client %u (%s replies): %08x where a reply should begin", c->number,
		  c->structured ? "structured" : "simple", be32_get(c->in));
	conn_broken(l, c, true);
	return false;
}

void conn_turn(struct load *l, struct conn *c, short revents)
{
	if (revents & POLLOUT)
		conn_flush_out(l, c);
	if (!(revents & (POLLIN | POLLHUP | POLLERR)))
		return;
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->in_len, IN_ROOM - c->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			conn_broken(l, c, false);
			return;
		}
		c->in_len += (size_t)n;
		while (take(l, c))
			;
		if (c->phase == DOWN)
			return;
		conn_flush_out(l, c); /* the words of a handshake */
	}
}
