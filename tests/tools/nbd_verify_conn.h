/* SPDX-License-Identifier: MIT */
/*
 * nbd_verify_conn.h - a connection of nbd_verify: options, contents, bytes, the handshake.
 *
 * Room:   tests/tools. Only nbd_verify.c includes it.
 */
#ifndef RF_NBD_VERIFY_CONN_H
#define RF_NBD_VERIFY_CONN_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX   128u
#define LARGEST_MAX (32u << 20)
#define PATIENCE_S  60

static struct {
	const char *socket;
	uint64_t from, bytes, seed, seconds, readers, lazy, depth, largest, block;
} opt = { .bytes = 4u << 20, .seed = 1, .seconds = 2, .readers = 6, .depth = 16, .largest = 262144,
	  .block = 512 };

static struct shared {
	_Atomic uint64_t requests, verified, wrong, errors, reconnects;
	_Atomic int      readers_done, stop;
} *all;

struct request {
	bool           open;
	uint64_t       offset;
	uint32_t       length, got;
	bool           whole; /* one chunk only */
	unsigned char *data;
};

struct conn {
	uint32_t       number;
	int            fd;
	bool           structured, use_go, can_df, said_wrong;
	uint64_t       chance;
	struct request request[DEPTH_MAX];
};

static _Noreturn void broken(const struct conn *c, const char *what)
{
	fprintf(stderr, "nbd_verify: connection %u (%s, %s): %s\n", c->number,
		c->use_go ? "GO" : "EXPORT_NAME", c->structured ? "structured" : "simple", what);
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static uint64_t chance(struct conn *c, uint64_t below)
{
	return (c->chance = mix(c->chance + 0x9e3779b97f4a7c15ull)) % below;
}

/* What belongs at `offset` of the disk. */
static void fill(unsigned char *to, uint64_t offset, uint32_t length)
{
	uint64_t word = 0;

	for (uint32_t i = 0; i < length; i++, offset++) {
		if (!i || !(offset % 8))
			word = mix(offset / 8 + opt.seed * 0x100000001b3ull) >> offset % 8 * 8;
		to[i] = (unsigned char)word;
		word >>= 8;
	}
}

/* ---- bytes: false when the connection is gone ----------------------------------------------- */

static bool put(struct conn *c, const void *from, size_t n)
{
	return send(c->fd, from, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool get(struct conn *c, void *to, size_t n)
{
	ssize_t got = recv(c->fd, to, n, MSG_WAITALL);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		broken(c, "no answer within a minute");
	return got == (ssize_t)n;
}

static bool put_option(struct conn *c, uint32_t option, const void *data, uint32_t length)
{
	struct __attribute__((packed)) { uint64_t magic; uint32_t option, length; } head = {
		htobe64(0x49484156454f5054ull), htobe32(option), htobe32(length) };

	return put(c, &head, sizeof(head)) && (!length || put(c, data, length));
}

/* The final answer to an option; *flags: transmission flags, if they are said. */
static bool option_answer(struct conn *c, uint32_t option, uint32_t *type, uint16_t *flags)
{
	struct __attribute__((packed)) { uint64_t magic; uint32_t option, type, length; } head;
	unsigned char data[4096];

	do {
		if (!get(c, &head, sizeof(head)))
			return false;
		uint32_t length = be32toh(head.length);
		if (be64toh(head.magic) != 0x3e889045565a9ull || be32toh(head.option) != option ||
		    length > sizeof(data))
			broken(c, "an answer to an option that is none");
		if (length && !get(c, data, length))
			return false;
		*type = be32toh(head.type);
		if (*type == 3 && length == 12 && !data[0] && !data[1])
			*flags = (uint16_t)(data[10] << 8 | data[11]);
	} while (*type == 3);
	return true;
}

static bool negotiate(struct conn *c)
{
	unsigned char greeting[18], end[10];
	uint32_t type, flags = htobe32(3);
	uint16_t has = 0;

	if (!get(c, greeting, sizeof(greeting)) || !put(c, &flags, sizeof(flags)))
		return false;
	if (c->structured) {
		if (!put_option(c, 8, NULL, 0) || !option_answer(c, 8, &type, &has))
			return false;
		if (type != 1)
			broken(c, "no structured replies");
	}
	if (c->use_go) {
		if (!put_option(c, 7, "\0\0\0\0\0", 6) || !option_answer(c, 7, &type, &has))
			return false;
		if (type != 1)
			broken(c, "GO is refused");
	} else {
		if (!put_option(c, 1, NULL, 0) || !get(c, end, sizeof(end)))
			return false;
		has = (uint16_t)(end[8] << 8 | end[9]);
	}
	c->can_df = has & 0x80;
	return true;
}

static void dial(struct conn *c)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = PATIENCE_S };
	time_t until = time(NULL) + PATIENCE_S;

	strncpy(at.sun_path, opt.socket, sizeof(at.sun_path) - 1);
	for (;;) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (!connect(c->fd, (struct sockaddr *)&at, sizeof(at)) && negotiate(c))
			return;
		close(c->fd);
		if (time(NULL) > until)
			broken(c, "cannot connect for a minute");
		usleep(2000);
	}
}

#endif
