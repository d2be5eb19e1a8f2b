/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. Room: tests/campaign. NBD: the protocol's doc/proto.md. */
#include "client.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NBD_MAGIC        0x4e42444d41474943ull
#define NBD_OPTION_MAGIC 0x49484156454f5054ull
#define NBD_REQUEST      0x25609513u
#define NBD_REPLY        0x67446698u
#define NBD_NEWSTYLE     3u /* fixed newstyle, no zeroes */
#define NBD_OPT_EXPORT   1u
#define NBD_FUA          1u
enum { NBD_READ, NBD_WRITE, NBD_DISC, NBD_FLUSH, NBD_TRIM, NBD_CACHE, NBD_ZEROES };

/* In place of a serial. */
#define UNKNOWN 0u
#define ZEROES  ~0ull

struct __attribute__((packed)) request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t length;
};
struct __attribute__((packed)) reply {
	uint32_t magic, error;
	uint64_t handle;
};

const char *const wrong_names[WRONGS] = {
	[WRONG_STALE] = "stale", [WRONG_ELSEWHERE] = "misplaced", [WRONG_TORN] = "torn",
	[WRONG_ZERO] = "zeroed", [WRONG_GARBAGE] = "garbage",
};

/* ---- contents ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t chance(struct client *c)
{
	return mix(c->random += 0x9e3779b97f4a7c15u);
}

/* Words 0 and 1 say which write of which block this is; the others follow from them. */
static void fill(void *at, uint64_t block, uint64_t serial)
{
	uint64_t word = mix(block ^ mix(serial));

	memcpy(at, &block, 8);
	memcpy((char *)at + 8, &serial, 8);
	for (unsigned i = 16; i < CLIENT_BLOCK; i += 8) {
		memcpy((char *)at + i, &word, 8);
		word = word * 6364136223846793005u + 1442695040888963407u;
	}
}

static bool holds(const void *at, uint64_t block, uint64_t serial)
{
	unsigned char want[CLIENT_BLOCK] = {0};

	if (serial != ZEROES)
		fill(want, block, serial);
	return !memcmp(at, want, CLIENT_BLOCK);
}

static enum wrong what_is(const void *at, uint64_t block, uint64_t serial)
{
	uint64_t named[2];

	memcpy(named, at, sizeof(named));
	if (holds(at, 0, ZEROES))
		return WRONG_ZERO;
	if (holds(at, named[0], named[1]))
		return named[0] == block ? WRONG_STALE : WRONG_ELSEWHERE;
	return named[0] == block && named[1] <= serial ? WRONG_TORN : WRONG_GARBAGE;
}

static void verify(struct client *c, const struct client_slot *s, const unsigned char *data)
{
	for (uint32_t i = 0; i < s->count; i++, data += CLIENT_BLOCK) {
		uint64_t *serial = &c->holds[s->block + i];

		if (*serial == UNKNOWN)
			continue;
		c->verified++;
		if (holds(data, s->block + i, *serial))
			continue;
		c->wrong[what_is(data, s->block + i, *serial)]++;
		c->wrongs++;
		*serial = UNKNOWN; /* one damage is counted once */
	}
}

/* ---- requests ------------------------------------------------------------------------- */

static void submit(struct client *c, unsigned n, uint16_t type, uint16_t flags, uint32_t block,
		   uint32_t count)
{
	struct request r = {
		.magic = htobe32(NBD_REQUEST), .flags = htobe16(flags), .type = htobe16(type),
		/* flush: none */
		.handle = n, .offset = htobe64(count ? (uint64_t)block * CLIENT_BLOCK : 0),
		.length = htobe32(count * CLIENT_BLOCK),
	};
	struct client_slot *s = &c->slot[n];

	*s = (struct client_slot){
		.busy = true, .type = type, .flags = flags, .block = block, .count = count
	};
	memcpy(c->output + c->out, &r, sizeof(r));
	c->out += sizeof(r);
	if (type == NBD_WRITE)
		s->serial = ++c->serial;
	for (uint32_t i = 0; i < count; i++) {
		c->busy[block + i] = true;
		if (type != NBD_WRITE)
			continue;
		fill(c->output + c->out, block + i, s->serial);
		c->out += CLIENT_BLOCK;
	}
	c->inflight++;
}

/* Mostly what disks do; a little of all there is. */
static void choose(struct client *c, uint16_t *type, uint16_t *flags, uint32_t *count)
{
	uint64_t r = chance(c), dice = r % 100;

	*flags = 0;
	*count = dice >= 90 ? 1 + (uint32_t)(r >> 32) % 16 : 1;
	*type = r >> 20 & 1 ? NBD_READ : NBD_WRITE;
	if (*type == NBD_WRITE && dice >= 88)
		*flags = r >> 21 & NBD_FUA;
	if (dice < 2) {
		*type = NBD_FLUSH;
		*count = 0;
	} else if (dice < 5) {
		*type = dice == 2 ? NBD_TRIM : NBD_ZEROES;
	}
}

static bool free_blocks(const struct client *c, uint32_t block, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (c->busy[block + i])
			return false;
	return true;
}

static unsigned free_slot(const struct client *c)
{
	unsigned n = 0;

	while (c->slot[n].busy)
		n++;
	return n;
}

void client_feed(struct client *c)
{
	uint16_t type, flags;
	uint32_t count, block;

	if (c->out)
		return; /* the last ones are not sent yet */
	while (c->inflight < CLIENT_DEPTH) {
		choose(c, &type, &flags, &count);
		do
			block = (uint32_t)(chance(c) % (CLIENT_BLOCKS - count));
		while (!free_blocks(c, block, count));
		submit(c, free_slot(c), type, flags, block, count);
	}
}

bool client_sweep(struct client *c, uint32_t *next)
{
	while (c->inflight < CLIENT_DEPTH && *next < CLIENT_BLOCKS &&
	       free_blocks(c, *next, CLIENT_PIECE)) {
		submit(c, free_slot(c), NBD_READ, 0, *next, CLIENT_PIECE);
		*next += CLIENT_PIECE;
	}
	return *next < CLIENT_BLOCKS || c->inflight;
}

/* ---- answers ------------------------------------------------------------------------------ */

static void wrote(struct client *c, const struct client_slot *s, bool failed)
{
	uint64_t now = failed || s->type == NBD_TRIM ? UNKNOWN :
		       s->type == NBD_ZEROES         ? ZEROES :
						       s->serial;

	for (uint32_t i = 0; i < s->count; i++)
		c->holds[s->block + i] = now;
}

/* One answer at the start of `at`: its length, 0: not all of it is there, -EPROTO. */
static long answer(struct client *c, const unsigned char *at, size_t there)
{
	struct reply r;

	if (there < sizeof(r))
		return 0;
	memcpy(&r, at, sizeof(r));
	if (be32toh(r.magic) != NBD_REPLY || r.handle >= CLIENT_DEPTH || !c->slot[r.handle].busy)
		return -EPROTO;
	struct client_slot *s = &c->slot[r.handle];
	bool reads = s->type == NBD_READ && !r.error;
	size_t bytes = sizeof(r) + (reads ? (size_t)s->count * CLIENT_BLOCK : 0);
	if (there < bytes)
		return 0;
	if (reads)
		verify(c, s, at + sizeof(r));
	else if (s->type != NBD_READ && s->type != NBD_FLUSH)
		wrote(c, s, r.error);
	c->errors += r.error != 0;
	for (uint32_t i = 0; i < s->count; i++)
		c->busy[s->block + i] = false;
	s->busy = false;
	c->inflight--;
	c->answers++;
	return (long)bytes;
}

static int take(struct client *c)
{
	ssize_t got = recv(c->fd, c->input + c->in, sizeof(c->input) - c->in, MSG_DONTWAIT);
	size_t done = 0;
	long n;

	if (got <= 0)
		return !got ? -EPIPE : errno == EAGAIN ? 0 : -errno;
	c->in += (size_t)got;
	while ((n = answer(c, c->input + done, c->in - done)) > 0)
		done += (size_t)n;
	memmove(c->input, c->input + done, c->in - done);
	c->in -= done;
	return n < 0 ? (int)n : 0;
}

static int push(struct client *c)
{
	while (c->out_done < c->out) {
		ssize_t n = send(c->fd, c->output + c->out_done, c->out - c->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->out_done += (size_t)n;
	}
	c->out = c->out_done = 0;
	return 0;
}

int client_turn(struct client *c, int other, int ms)
{
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
	int err = push(c);

	if (err)
		return err;
	if (c->out)
		p[0].events |= POLLOUT;
	if (poll(p, other < 0 ? 1 : 2, ms) < 0 && errno != EINTR)
		return -errno;
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && (err = take(c)))
		return err;
	return other >= 0 && p[1].revents != 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int all(int fd, void *at, size_t bytes)
{
	return recv(fd, at, bytes, MSG_WAITALL) == (ssize_t)bytes ? 0 : -EPROTO;
}

static int negotiate(int fd)
{
	struct __attribute__((packed)) { uint64_t magic, option; uint16_t flags; } hello;
	struct __attribute__((packed)) {
		uint32_t flags;
		uint64_t magic;
		uint32_t option, length;
	} go = {
		htobe32(NBD_NEWSTYLE),
		htobe64(NBD_OPTION_MAGIC),
		htobe32(NBD_OPT_EXPORT),
		0,
	};
	struct __attribute__((packed)) { uint64_t size; uint16_t flags; } disk;

	if (all(fd, &hello, sizeof(hello)) || be64toh(hello.magic) != NBD_MAGIC ||
	    be64toh(hello.option) != NBD_OPTION_MAGIC)
		return -EPROTO;
	if (send(fd, &go, sizeof(go), MSG_NOSIGNAL) != sizeof(go) || all(fd, &disk, sizeof(disk)))
		return -EPROTO;
	return be64toh(disk.size) >= (uint64_t)CLIENT_BLOCKS * CLIENT_BLOCK ? 0 : -ENOSPC;
}

static int dial(struct client *c, const char *socket_path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int err;

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		err = -errno;
	else
		err = negotiate(c->fd);
	if (err)
		client_close(c);
	return err;
}

int client_open(struct client *c, const char *socket_path)
{
	memset(c, 0, sizeof(*c));
	return dial(c, socket_path);
}

int client_again(struct client *c, const char *socket_path)
{
	client_close(c);
	for (unsigned n = 0; n < CLIENT_DEPTH; n++) {
		struct client_slot *s = &c->slot[n];

		for (uint32_t i = 0; s->busy && i < s->count; i++) {
			c->busy[s->block + i] = false;
			if (s->type != NBD_READ)
				c->holds[s->block + i] = UNKNOWN;
		}
		s->busy = false;
	}
	c->inflight = 0;
	c->in = c->out = c->out_done = 0;
	return dial(c, socket_path);
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void client_seed(struct client *c, uint64_t seed)
{
	c->random = seed;
}
