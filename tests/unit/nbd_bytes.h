/* SPDX-License-Identifier: MIT */
/*
 * nbd_bytes.h - an NBD client that sends whatever bytes a test wants.
 *
 * Room:   tests/unit. Every function fails the test when the server does not answer as
 *         the protocol says. Include after cmocka.h, with DISK, the bytes served, defined.
 */
#ifndef NBD_BYTES_H
#define NBD_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/export/nbd/proto.h"

#include "export_fixture.h"

static inline int dial(struct exported *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 20 }; /* a server that hangs fails the test */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", e->socket);
	rig_must(!connect(fd, (struct sockaddr *)&at, sizeof(at)), "connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static inline void put(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static inline void get(int fd, void *bytes, size_t n)
{
	assert_int_equal(recv(fd, bytes, n, MSG_WAITALL), n);
}

static inline void put_be(int fd, int bytes, uint64_t value)
{
	uint64_t swapped = __builtin_bswap64(value);

	put(fd, (char *)&swapped + 8 - bytes, (size_t)bytes);
}

/* The server hung up; whatever it still had to say is skipped. */
static inline void assert_cut_off(int fd)
{
	char sink[4096];
	ssize_t n;

	while ((n = recv(fd, sink, sizeof(sink), 0)) > 0)
		;
	assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
}

static inline int hello(struct exported *e)
{
	unsigned char head[18];
	int fd = dial(e);

	get(fd, head, sizeof(head));
	assert_true(be64_get(head) == NBD_MAGIC && be64_get(head + 8) == NBD_OPTS_MAGIC);
	put_be(fd, 4, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	return fd;
}

static inline void put_option(int fd, uint32_t option, const void *data, uint32_t length)
{
	put_be(fd, 8, NBD_OPTS_MAGIC);
	put_be(fd, 4, option);
	put_be(fd, 4, length);
	if (length)
		put(fd, data, length);
}

/* The next option reply's type; its data is dropped. */
static inline uint32_t option_reply(int fd, uint32_t option)
{
	unsigned char head[20], data[4096];

	get(fd, head, sizeof(head));
	assert_true(be64_get(head) == NBD_REP_MAGIC);
	assert_int_equal(be32_get(head + 8), option);
	assert_true(be32_get(head + 16) <= sizeof(data));
	if (be32_get(head + 16))
		get(fd, data, be32_get(head + 16));
	return be32_get(head + 12);
}

static inline int transmission(struct exported *e, bool structured)
{
	unsigned char end[10];
	int fd = hello(e);

	if (structured) {
		put_option(fd, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
		assert_int_equal(option_reply(fd, NBD_OPT_STRUCTURED_REPLY), NBD_REP_ACK);
	}
	put_option(fd, NBD_OPT_EXPORT_NAME, "disk", 4);
	get(fd, end, sizeof(end));
	assert_true(be64_get(end) == DISK);
	return fd;
}

static inline void put_request(int fd, uint16_t flags, uint16_t type, uint64_t handle,
			       uint64_t offset, uint32_t length)
{
	unsigned char head[28], *p = be32_put(head, NBD_REQUEST_MAGIC);

	p = be16_put(p, flags);
	p = be16_put(p, type);
	p = be64_put(p, handle);
	p = be64_put(p, offset);
	be32_put(p, length);
	put(fd, head, sizeof(head));
}

/* A simple reply's error; its handle must be this one. */
static inline uint32_t simple(int fd, uint64_t handle)
{
	unsigned char head[16];

	get(fd, head, sizeof(head));
	assert_int_equal(be32_get(head), NBD_SIMPLE_MAGIC);
	assert_true(be64_get(head + 8) == handle);
	return be32_get(head + 4);
}

#endif
