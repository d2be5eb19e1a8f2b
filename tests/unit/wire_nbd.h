/* SPDX-License-Identifier: MIT */
/*
 * wire_nbd.h - an NBD client made of frames.
 *
 * Room:   tests/unit. Included after cmocka and wire_stack.h.
 */
#ifndef RF_TEST_WIRE_NBD_H
#define RF_TEST_WIRE_NBD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/export/nbd/proto.h"

#include "wire_stack.h"

static inline uint32_t nbd_hello(uint8_t *b)
{
	uint8_t *p = be32_put(b, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);

	p = be64_put(p, NBD_OPTS_MAGIC);
	p = be32_put(p, NBD_OPT_EXPORT_NAME);
	return (uint32_t)(be32_put(p, 0) - b);
}

static inline uint32_t nbd_read(uint8_t *b, uint64_t from, uint32_t length)
{
	uint8_t *p = be32_put(b, NBD_REQUEST_MAGIC);

	p = be16_put(p, 0);
	p = be16_put(p, NBD_CMD_READ);
	p = be64_put(p, 7);
	p = be64_put(p, from);
	return (uint32_t)(be32_put(p, length) - b);
}

/* An NBD client on connection `c`, as far as its first request. */
static inline void nbd_client(struct wire_stack *s, struct wire_conn *c)
{
	uint8_t b[64];

	assert_true(wire_connect(&s->peer, c));
	assert_true(wire_await(&s->peer, c, 18));
	wire_say(&s->peer, c, b, nbd_hello(b));
	assert_true(wire_await(&s->peer, c, 28));
}

/* The disk is read through a new connection. */
static inline void still_serves(struct wire_stack *s, uint16_t port)
{
	static struct wire_conn c;
	static uint8_t got[4096];
	uint8_t b[64];

	strcpy((char *)s->e.ram.disk, "the first sector");
	wire_watch(&s->peer, &c, wire_me4, false, port, 10809);
	c.bytes = got;
	c.room = sizeof(got);
	nbd_client(s, &c);
	uint32_t before = c.length;
	wire_say(&s->peer, &c, b, nbd_read(b, 0, 512));
	assert_true(wire_await(&s->peer, &c, before + 16 + 512));
	assert_string_equal((char *)got + before + 16, "the first sector");
}

#endif
