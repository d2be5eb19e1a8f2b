/* SPDX-License-Identifier: MIT */
/*
 * nbd_verify.c - reads a disk over every variant of the NBD protocol, many requests at a time,
 * and looks at every byte.
 *
 *   nbd_verify SOCKET [KEY=NUMBER]...
 *
 *   from=0 bytes=4194304   the piece of the disk it uses; nobody else may write there
 *   seed=1                 of contents, places and lengths
 *   seconds=2              how long it reads; ends sooner at SIGTERM
 *   readers=6              connections that read their answers
 *   lazy=0                 connections that ask and read no answer before the others are done
 *   depth=16               requests a connection has under way
 *   largest=262144         bytes of the longest read; shorter ones are as likely
 *   block=512              places and lengths are multiples of it
 *
 * Variants, by number of the connection: EXPORT_NAME or GO; simple or structured replies; of the
 * latter with the flag "do not fragment" on every second request, where the server knows it.
 * A connection that breaks is made again, for a minute, and asks again.
 *
 * Room:   tests/tools. Knows the protocol by its specification only, and shares no code with
 *         the server. One process a connection.
 * Says:   one line of JSON: requests, bytes_verified, wrong, errors, reconnects, seed. Before it,
 *         a line for the first wrong byte of each connection.
 * Exit:   0, or 1: a wrong byte or an error; 2: the server breaks the protocol, or is not there.
 */
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nbd_verify_conn.h"

/* ---- requests ------------------------------------------------------------------------------- */

static bool ask(struct conn *c, uint16_t type, uint16_t flags, uint64_t handle, uint64_t offset,
		uint32_t length)
{
	struct __attribute__((packed)) {
		uint32_t magic; uint16_t flags, type; uint64_t handle, offset; uint32_t length;
	} head = { htobe32(0x25609513), htobe16(flags), htobe16(type), handle, htobe64(offset),
		   htobe32(length) };

	return put(c, &head, sizeof(head));
}

static bool ask_read(struct conn *c, uint64_t handle)
{
	struct request *r = &c->request[handle];

	r->got = 0;
	memset(r->data, 0xee, r->length);
	return ask(c, 0, r->whole ? 4 : 0, handle, r->offset, r->length);
}

static void think_of(struct conn *c, struct request *r)
{
	uint64_t most = opt.largest / opt.block, blocks = opt.bytes / opt.block;
	uint64_t n = chance(c, 2) ? most : 1 + chance(c, most);

	r->open = true;
	r->length = (uint32_t)(n * opt.block);
	r->offset = opt.from + chance(c, blocks - n + 1) * opt.block;
	r->whole = c->can_df && chance(c, 2);
}

static void look_at(struct conn *c, struct request *r)
{
	static unsigned char want[LARGEST_MAX];
	uint32_t at = 0;

	all->requests++;
	r->open = false;
	if (r->got != r->length)
		broken(c, "a read is done with bytes missing, or with too many");
	fill(want, r->offset, r->length);
	while (at < r->length && r->data[at] == want[at])
		at++;
	if (at == r->length) {
		all->verified += r->length;
		return;
	}
	all->wrong++;
	if (!c->said_wrong)
		fprintf(stderr,
			"nbd_verify: connection %u (%s): WRONG BYTE at %llu, read of %u bytes at "
			"%llu\n",
			c->number, c->structured ? "structured" : "simple",
			(unsigned long long)r->offset + at, r->length,
			(unsigned long long)r->offset);
	c->said_wrong = true;
}

static void failed(struct request *r, uint32_t error)
{
	if (!all->errors++)
		fprintf(stderr, "nbd_verify: error %u of a read of %u bytes at %llu\n", error,
			r->length, (unsigned long long)r->offset);
	all->requests++;
	r->open = false;
}

/* The rest of a chunk. False: the connection is gone. */
static bool chunk(struct conn *c, struct request *r, uint16_t flags, uint16_t type, uint32_t length)
{
	uint64_t at;
	unsigned char text[4096];

	if (type >= 0x8000) {
		uint32_t error;

		if (length < 6 || length > sizeof(text))
			broken(c, "an error chunk of an impossible length");
		if (!get(c, text, length))
			return false;
		memcpy(&error, text, 4);
		failed(r, be32toh(error));
		return true;
	}
	if (type != 1 || length < 9 || (r->whole && (r->got || length - 8 != r->length)))
		broken(c, "a chunk that does not answer its read");
	if (!get(c, &at, 8))
		return false;
	uint64_t offset = be64toh(at) - r->offset;
	if (offset > r->length || length - 8 > r->length - offset)
		broken(c, "a chunk outside of its read");
	if (!get(c, r->data + offset, length - 8))
		return false;
	r->got += length - 8;
	if (flags & 1)
		look_at(c, r);
	return true;
}

/* One reply or chunk. False: the connection is gone. */
static bool hear(struct conn *c)
{
	struct __attribute__((packed)) { uint32_t magic, b; uint64_t handle; } head;
	uint32_t length;

	if (!get(c, &head, sizeof(head)))
		return false;
	bool simple = be32toh(head.magic) == 0x67446698;
	if (!simple && be32toh(head.magic) != 0x668e33ef)
		broken(c, "something that is no reply, where one should be");
	if (simple == c->structured)
		broken(c, "a reply of the kind that was not agreed on");
	if (head.handle >= opt.depth || !c->request[head.handle].open)
		broken(c, "a reply to nothing that was asked");
	struct request *r = &c->request[head.handle];
	if (!simple)
		return get(c, &length, 4) && chunk(c, r, (uint16_t)(be32toh(head.b) >> 16),
						   (uint16_t)be32toh(head.b), be32toh(length));
	if (head.b) {
		failed(r, be32toh(head.b));
		return true;
	}
	r->got = r->length;
	if (!get(c, r->data, r->length))
		return false;
	look_at(c, r);
	return true;
}

static void again(struct conn *c)
{
	bool good;

	do {
		close(c->fd);
		all->reconnects++;
		dial(c);
		good = true;
		for (uint32_t i = 0; good && i < opt.depth; i++)
			if (c->request[i].open)
				good = ask_read(c, i);
	} while (!good);
}

static bool under_way(const struct conn *c)
{
	for (uint32_t i = 0; i < opt.depth; i++)
		if (c->request[i].open)
			return true;
	return false;
}

static int live(uint32_t number, bool lazy)
{
	static struct conn c;

	c = (struct conn){ .number = number, .structured = number >> 1 & 1, .use_go = number & 1,
			   .chance = mix(opt.seed) + number };
	for (uint32_t i = 0; i < opt.depth; i++)
		if (!(c.request[i].data = malloc(opt.largest)))
			broken(&c, "no memory");
	dial(&c);
	do {
		for (uint32_t i = 0; i < opt.depth; i++) {
			if (c.request[i].open)
				continue;
			think_of(&c, &c.request[i]);
			if (!ask_read(&c, i))
				again(&c);
		}
		while (lazy && !all->readers_done)
			usleep(10000);
		if (!hear(&c))
			again(&c);
	} while (!lazy && !all->stop);
	while (under_way(&c))
		if (!hear(&c))
			again(&c);
	ask(&c, 2, 0, 0, 0, 0);
	return 0;
}

/* ---- the disk's contents -------------------------------------------------------------------- */

static bool write_piece(struct conn *c, uint64_t at, const unsigned char *data, uint32_t length)
{
	struct __attribute__((packed)) { uint32_t magic, error; uint64_t handle; } head;

	if (!ask(c, 1, 0, 7, at, length) || !put(c, data, length) || !get(c, &head, sizeof(head)))
		return false;
	if (be32toh(head.magic) != 0x67446698 || head.handle != 7 || head.error)
		broken(c, "a write of the contents failed");
	return true;
}

static void write_all(void)
{
	static unsigned char data[65536];
	static struct conn c;

	c = (struct conn){ 0 };
	dial(&c);
	for (uint64_t at = 0; at < opt.bytes;) {
		uint32_t n =
			opt.bytes - at < sizeof(data) ? (uint32_t)(opt.bytes - at) : sizeof(data);

		fill(data, opt.from + at, n);
		if (write_piece(&c, opt.from + at, data, n)) {
			at += n;
			continue;
		}
		close(c.fd);
		dial(&c);
	}
	ask(&c, 2, 0, 0, 0, 0);
	close(c.fd);
}

/* ---- options, processes --------------------------------------------------------------------- */

static const struct { const char *key; uint64_t *value; } keys[] = {
	{ "from", &opt.from }, { "bytes", &opt.bytes }, { "seed", &opt.seed },
	{ "seconds", &opt.seconds },
	{ "readers", &opt.readers }, { "lazy", &opt.lazy }, { "depth", &opt.depth },
	{ "largest", &opt.largest }, { "block", &opt.block },
};

static void understand(const char *word)
{
	size_t n = strcspn(word, "=");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *end;

		if (strlen(keys[i].key) != n || memcmp(word, keys[i].key, n) || word[n] != '=')
			continue;
		*keys[i].value = strtoull(word + n + 1, &end, 0);
		if (end != word + n + 1 && !*end)
			return;
	}
	fprintf(stderr, "nbd_verify: %s: not understood; the head of nbd_verify.c names the keys\n",
		word);
	exit(2);
}

static void options(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: nbd_verify SOCKET [KEY=NUMBER]...\n");
		exit(2);
	}
	opt.socket = argv[1];
	for (int i = 2; i < argc; i++)
		understand(argv[i]);
	if (!opt.depth || opt.depth > DEPTH_MAX || opt.largest > LARGEST_MAX ||
	    opt.largest > opt.bytes || !opt.block || opt.largest < opt.block ||
	    opt.from % opt.block) {
		fprintf(stderr,
			"nbd_verify: depth is 1 to %u, largest %u at most and no more than bytes; "
			"from and largest are whole blocks\n",
			DEPTH_MAX, LARGEST_MAX);
		exit(2);
	}
}

static void stop(int signal)
{
	(void)signal;
	all->stop = 1;
}

static pid_t start(uint32_t number, bool lazy)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGTERM, SIG_IGN); /* the parent says when */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	exit(live(number, lazy));
}

/* The worst exit code of them. */
static int wait_for(const pid_t *pid, uint64_t count)
{
	int worst = 0, status;

	for (uint64_t i = 0; i < count; i++) {
		while (waitpid(pid[i], &status, 0) < 0 && errno == EINTR)
			;
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
		worst = code > worst ? code : worst;
	}
	return worst;
}

int main(int argc, char **argv)
{
	options(argc, argv);
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t *pid = calloc(opt.readers + opt.lazy + 1, sizeof(*pid));
	if (all == MAP_FAILED || !pid)
		return 2;
	signal(SIGTERM, stop);
	write_all();
	for (uint32_t i = 0; i < opt.lazy; i++)
		pid[opt.readers + i] = start(i, true);
	for (uint32_t i = 0; i < opt.readers; i++)
		pid[i] = start(i, false);
	time_t until = time(NULL) + (time_t)opt.seconds;
	while (!all->stop && time(NULL) < until)
		usleep(20000);
	all->stop = 1;
	int code = wait_for(pid, opt.readers);
	all->readers_done = 1;
	int lazy_code = wait_for(pid + opt.readers, opt.lazy);
	code = code > lazy_code ? code : lazy_code;
	printf("{\"requests\": %llu, \"bytes_verified\": %llu, \"wrong\": %llu, \"errors\": %llu, "
	       "\"reconnects\": %llu, \"seed\": %llu}\n", (unsigned long long)all->requests,
	       (unsigned long long)all->verified, (unsigned long long)all->wrong,
	       (unsigned long long)all->errors, (unsigned long long)all->reconnects,
	       (unsigned long long)opt.seed);
	return code ? code : all->wrong || all->errors;
}
