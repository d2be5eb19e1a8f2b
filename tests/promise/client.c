/* SPDX-License-Identifier: MIT */
/* client.c - NBD over a UNIX socket, as often as it takes. See promise.h. Room: tests/promise. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"
#include "proto.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* ---- requests and answers --------------------------------------------------------- */

static void encode(struct client *c, const struct request *r)
{
	static const uint16_t types[] = { [READ] = NBD_CMD_READ,
					  [WRITE] = NBD_CMD_WRITE,
					  [FLUSH] = NBD_CMD_FLUSH,
					  [ZERO] = NBD_CMD_WRITE_ZEROES,
					  [POISON] = NBD_CMD_READ };
	size_t data = r->kind == WRITE ? (size_t)r->blocks * BLOCK : 0;

	if (c->out_at) {
		memmove(c->out, c->out + c->out_at, c->out_len -= c->out_at);
		c->out_at = 0;
	}
	if (c->out_len + NBD_REQUEST_BYTES + data > c->out_room)
		fail("more requests than fit");
	unsigned char *p = be32_put(c->out + c->out_len, NBD_REQUEST_MAGIC);
	p = be16_put(p, r->fua ? NBD_CMD_FLAG_FUA : 0);
	p = be16_put(p, types[r->kind]);
	p = be64_put(p, (uint64_t)(r - c->slot));
	p = be64_put(p, r->kind == FLUSH ? 0 : (uint64_t)r->block * BLOCK);
	p = be32_put(p, r->blocks * BLOCK);
	for (uint32_t i = 0; data && i < r->blocks; i++, p += BLOCK)
		block_fill(p, r->block + i, r->serial);
	c->out_len = (size_t)(p - c->out);
}

void client_submit(struct client *c, struct request *r)
{
	r->busy = true;
	c->busy++;
	if (r->kind == POISON)
		r->serial = ++c->book.serial;
	else
		book_asked(&c->book, r);
	encode(c, r);
}

static void answered(struct client *c, struct request *r, uint32_t error, const unsigned char *data)
{
	struct figures *n = &c->count;

	r->busy = false;
	c->busy--;
	n->requests++;
	if (r->kind == POISON) {
		n->poisoned += error == NBD_EIO;
		n->mismatches += error != NBD_EIO;
		return;
	}
	if (r->kind == FLUSH && error == NBD_EIO) {
		n->flushes_failed++; /* a cache may be lost: that is how it is told */
		book_lost(&c->book, c->slot, c->depth);
		return;
	}
	if (error) {
		fprintf(stderr, "request %d of %u blocks at %u: error %u\n", r->kind, r->blocks,
			r->block, error);
		n->errors++;
		return;
	}
	n->reads += r->kind == READ;
	n->writes += r->kind == WRITE || r->kind == ZERO;
	n->fua += r->fua;
	n->flushes += r->kind == FLUSH;
	if (r->kind == READ) {
		n->mismatches += !book_read(&c->book, r, data);
		n->bytes_verified += (uint64_t)r->blocks * BLOCK;
	}
	book_answered(&c->book, r);
}

/* Takes one whole answer out of what came. False: there is none. */
static bool take(struct client *c)
{
	if (c->in_len < NBD_SIMPLE_BYTES)
		return false;
	uint64_t handle = be64_get(c->in + 8);
	uint32_t error = be32_get(c->in + 4);
	if (be32_get(c->in) != NBD_SIMPLE_MAGIC || handle >= c->depth || !c->slot[handle].busy)
		fail("the server answers what was not asked");
	struct request *r = &c->slot[handle];
	bool data = !error && (r->kind == READ || r->kind == POISON);
	size_t bytes = NBD_SIMPLE_BYTES + (data ? (size_t)r->blocks * BLOCK : 0);
	if (c->in_len < bytes)
		return false;
	answered(c, r, error, c->in + NBD_SIMPLE_BYTES);
	memmove(c->in, c->in + bytes, c->in_len -= bytes);
	return true;
}

/* ---- the connection ---------------------------------------------------------------- */

static bool whole(int fd, void *data, size_t bytes, bool receive)
{
	unsigned char *p = data;

	while (bytes) {
		ssize_t n = receive ? recv(fd, p, bytes, 0) : send(fd, p, bytes, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool negotiate(int fd)
{
	unsigned char hello[18], ask[4 + NBD_OPTION_BYTES], export[10];

	if (!whole(fd, hello, sizeof(hello), true))
		return false;
	if (be64_get(hello) != NBD_MAGIC)
		fail("this is no NBD server");
	unsigned char *p = be32_put(ask, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	p = be32_put(be64_put(p, NBD_OPTS_MAGIC), NBD_OPT_EXPORT_NAME);
	be32_put(p, 0);
	return whole(fd, ask, sizeof(ask), false) && whole(fd, export, sizeof(export), true);
}

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)) && negotiate(fd)) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return fd;
	}
	close(fd);
	return -1;
}

static int by_serial(const void *a, const void *b)
{
	const struct request *const *x = a, *const *y = b;

	return (*x)->serial < (*y)->serial ? -1 : (*x)->serial > (*y)->serial;
}

/* What has no answer is asked again, in the order it was asked in. */
static void send_again(struct client *c)
{
	struct request *order[MAX_DEPTH];
	unsigned count = 0;

	for (unsigned i = 0; i < c->depth; i++)
		if (c->slot[i].busy)
			order[count++] = &c->slot[i];
	qsort(order, count, sizeof(*order), by_serial);
	for (unsigned i = 0; i < count; i++)
		encode(c, order[i]);
	c->count.resent += count;
}

void client_connect(struct client *c)
{
	uint64_t until = now_ms() + (uint64_t)c->patience * 1000;

	if (!c->out) {
		c->out_room = c->depth * (NBD_REQUEST_BYTES + (size_t)MAX_BLOCKS * BLOCK);
		c->out = malloc(c->out_room);
	}
	c->out_at = c->out_len = c->in_len = 0;
	while ((c->fd = dial(c->path)) < 0) {
		if (now_ms() > until)
			fail("%s: no server for %d s", c->path, c->patience);
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	send_again(c);
}

static void broken(struct client *c)
{
	close(c->fd);
	c->count.reconnects++;
	client_connect(c);
}

void client_turn(struct client *c, int ms)
{
	struct pollfd p = { .fd = c->fd,
			    .events = POLLIN | (c->out_at < c->out_len ? POLLOUT : 0) };

	if (poll(&p, 1, ms) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	if (p.revents & POLLOUT) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return broken(c);
		c->out_at += n > 0 ? (size_t)n : 0;
	}
	if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
		ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return broken(c);
		c->in_len += n > 0 ? (size_t)n : 0;
		while (take(c))
			;
	}
}
