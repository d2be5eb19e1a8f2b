/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_rude.c - rf-nbd against clients that send garbage, ask for too much, vanish
 * in mid-request or never read, while a polite one is served all the time.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan: the same sources under ASan and
 *         UBSan, with a lock that does nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define NBD   "build/tests/rf-nbd-asan"
#define HASTY "build/tests/rf-nbd-hasty" /* clients get 3 s to get on */
#define DISK (8u << 20)

#include <sys/stat.h>

#include "nbd_bytes.h"

static struct exported *served_by(const char *program)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	for (uint32_t i = 0; i < DISK; i += 4)
		memcpy(e->ram.disk + i, &i, 4);
	exported_serve(e, program);
	return e;
}

static struct exported *served(void)
{
	return served_by(NBD);
}

/* A polite client is served, whatever the others did; then the program ends well, which
 * under ASan says that nothing leaked and nothing was touched that should not be. */
static void still_well(struct exported *e, const char *complaint)
{
	unsigned char data[4096];
	char command[256];
	int fd = transmission(e, false);

	put_request(fd, 0, NBD_CMD_READ, 77, 4096, 4096);
	assert_int_equal(simple(fd, 77), 0);
	get(fd, data, sizeof(data));
	assert_memory_equal(data, e->ram.disk + 4096, sizeof(data));
	close(fd);
	if (complaint) {
		snprintf(command, sizeof(command), "grep -q '%s' %s || { sed 's/^/# /' %s; exit 1; }",
			 complaint, e->log, e->log);
		assert_int_equal(system(command), 0);
	}
	assert_int_equal(exported_end(e), 0);
	free(e);
}

/* ---- negotiation --------------------------------------------------------------- */

static void client_flags_that_are_not_nbd_end_it(void **state)
{
	struct exported *e = served();
	unsigned char head[18];
	int fd = dial(e);

	(void)state;
	get(fd, head, sizeof(head));
	put(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_cut_off(fd);
	still_well(e, "client 1 sent client flags 0x47455420, which are not NBD");
}

/* Whatever the length of its data, an option is answered as the protocol says: only INFO and
 * GO can be too big, ABORT is always granted, EXPORT_NAME is never answered. */
static void options_of_every_length(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 4080, 4081, 4096, 5000, 8176, 8177, 65536 };
	static char data[65536], head[20];
	struct exported *e = served();

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t n = lengths[i];
		int fd = hello(e);

		put_option(fd, 99, data, n);
		assert_int_equal(option_reply(fd, 99), NBD_REP_ERR_UNSUP);
		put_option(fd, NBD_OPT_LIST, data, n);
		assert_int_equal(option_reply(fd, NBD_OPT_LIST), n ? NBD_REP_ERR_INVALID : NBD_REP_SERVER);
		if (!n)
			assert_int_equal(option_reply(fd, NBD_OPT_LIST), NBD_REP_ACK);
		put_option(fd, NBD_OPT_STRUCTURED_REPLY, data, n);
		assert_int_equal(option_reply(fd, NBD_OPT_STRUCTURED_REPLY), n ? NBD_REP_ERR_INVALID : NBD_REP_ACK);
		put_option(fd, NBD_OPT_GO, data, n); /* its first bytes are no length */
		assert_int_equal(option_reply(fd, NBD_OPT_GO), n > 8176 ? NBD_REP_ERR_TOO_BIG : NBD_REP_ERR_INVALID);
		put_option(fd, NBD_OPT_ABORT, data, n);
		assert_int_equal(option_reply(fd, NBD_OPT_ABORT), NBD_REP_ACK);
		assert_cut_off(fd);
		if (!n)
			continue;
		fd = hello(e);
		put_be(fd, 8, NBD_OPTS_MAGIC);
		put_be(fd, 4, NBD_OPT_EXPORT_NAME);
		put_be(fd, 4, n);
		(void)!send(fd, data, n, MSG_NOSIGNAL); /* it may hang up before all of it is there */
		assert_true(recv(fd, head, sizeof(head), 0) <= 0);
		close(fd);
	}
	still_well(e, "asked for an export that is not here");
}

/* The longest names the protocol knows are unknown, longer ones too big. */
static void names_of_every_length(void **state)
{
	static const uint32_t lengths[] = { 1, 255, 4000, 4074, 4075, 4095, 4096, 4097, 8170 };
	static unsigned char data[8192];
	struct exported *e = served();
	int fd = hello(e);

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t n = lengths[i];

		memset(data, 'x', sizeof(data));
		be32_put(data, n);
		be16_put(data + 4 + n, 0);
		put_option(fd, i & 1 ? NBD_OPT_GO : NBD_OPT_INFO, data, n + 6);
		assert_int_equal(option_reply(fd, i & 1 ? NBD_OPT_GO : NBD_OPT_INFO),
				 n > 4096 ? NBD_REP_ERR_TOO_BIG : NBD_REP_ERR_UNKNOWN);
	}
	close(fd);
	still_well(e, NULL);
}

static void garbage_instead_of_an_option_ends_it(void **state)
{
	struct exported *e = served();
	int fd = hello(e);

	(void)state;
	put(fd, "0123456789abcdefghijklmnop", 26);
	assert_cut_off(fd);
	still_well(e, "client 1 sent an option that is not NBD");
}

static void a_huge_option_ends_it_and_a_long_one_is_refused(void **state)
{
	static char data[65536];
	struct exported *e = served();
	int fd = hello(e);

	(void)state;
	put_option(fd, NBD_OPT_GO, data, sizeof(data));
	assert_int_equal(option_reply(fd, NBD_OPT_GO), NBD_REP_ERR_TOO_BIG);
	put_be(fd, 8, NBD_OPTS_MAGIC);
	put_be(fd, 4, NBD_OPT_GO);
	put_be(fd, 4, 0xffffffff);
	assert_cut_off(fd);
	still_well(e, "client 1 sent an option that is not NBD");
}

static void options_we_do_not_know_are_refused_and_the_rest_goes_on(void **state)
{
	struct exported *e = served();
	int fd = hello(e);

	(void)state;
	for (uint32_t option = 0; option < 40; option++) {
		if (option && option <= 3)
			continue;
		if (option == NBD_OPT_INFO || option == NBD_OPT_GO ||
		    option == NBD_OPT_STRUCTURED_REPLY)
			continue;
		put_option(fd, option, "some data", 9);
		assert_int_equal(option_reply(fd, option), NBD_REP_ERR_UNSUP);
	}
	put_option(fd, NBD_OPT_STRUCTURED_REPLY, "x", 1);
	assert_int_equal(option_reply(fd, NBD_OPT_STRUCTURED_REPLY), NBD_REP_ERR_INVALID);
	put_option(fd, NBD_OPT_LIST, "x", 1);
	assert_int_equal(option_reply(fd, NBD_OPT_LIST), NBD_REP_ERR_INVALID);
	put_option(fd, NBD_OPT_ABORT, NULL, 0);
	assert_int_equal(option_reply(fd, NBD_OPT_ABORT), NBD_REP_ACK);
	assert_cut_off(fd);
	still_well(e, NULL);
}

/* Lengths inside INFO and GO that contradict the option's own. */
static void lying_lengths_in_go_are_invalid(void **state)
{
	static const struct { uint32_t name; uint16_t infos; uint32_t length; } lies[] = {
		{ 0, 0, 5 }, { 1, 0, 6 }, { 0xffffffff, 0, 6 }, { 0xfffffffa, 0, 10 }, { 0, 1, 6 },
		{ 0, 0xffff, 10 }, { 0, 1, 7 }, { 4, 0, 11 }, { 0, 0, 8 }, { 4090, 0, 4000 },
	};
	struct exported *e = served();
	int fd = hello(e);

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		unsigned char data[4000] = { 0 };

		be32_put(data, lies[i].name);
		if (lies[i].name < 3000)
			be16_put(data + 4 + lies[i].name, lies[i].infos);
		put_option(fd, i & 1 ? NBD_OPT_GO : NBD_OPT_INFO, data, lies[i].length);
		assert_int_equal(option_reply(fd, i & 1 ? NBD_OPT_GO : NBD_OPT_INFO),
				 NBD_REP_ERR_INVALID);
	}
	put_option(fd, NBD_OPT_GO, "\0\0\0\4diks\0\0", 10);
	assert_int_equal(option_reply(fd, NBD_OPT_GO), NBD_REP_ERR_UNKNOWN);
	put_option(fd, NBD_OPT_EXPORT_NAME, "diks", 4);
	assert_cut_off(fd);
	still_well(e, "client 1 asked for an export that is not here");
}

/* Every prefix of a whole conversation, sent and then hung up. */
static void a_client_may_vanish_at_every_byte(void **state)
{
	struct exported *e = served();
	unsigned char talk[4 + 16 + 4 + 28 + 28 + 512], *p = talk;

	(void)state;
	p = be32_put(p, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	p = be64_put(p, NBD_OPTS_MAGIC);
	p = be32_put(be32_put(p, NBD_OPT_EXPORT_NAME), 4);
	memcpy(p, "disk", 4);
	p = be16_put(be16_put(be32_put(p + 4, NBD_REQUEST_MAGIC), 0), NBD_CMD_READ);
	p = be32_put(be64_put(be64_put(p, 1), 0), 65536);
	p = be16_put(be16_put(be32_put(p, NBD_REQUEST_MAGIC), 0), NBD_CMD_WRITE);
	p = be32_put(be64_put(be64_put(p, 2), DISK - 512), 512);
	memset(p, 0, 512);
	for (size_t n = 0; n < sizeof(talk); n++) {
		unsigned char answer[18];
		int fd = dial(e);

		get(fd, answer, 18);
		if (n)
			put(fd, talk, n);
		if (n >= 4 + 16 + 4)
			get(fd, answer, 10);
		close(fd);
	}
	still_well(e, "vanished in mid-request");
}

static void random_bytes_at_every_stage(void **state)
{
	struct exported *e = served();
	unsigned char bytes[600];
	uint32_t x = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		int stage = round % 4;
		int fd = stage == 0 ? dial(e) : stage == 1 ? hello(e) : transmission(e, stage == 3);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
		if (round & 8 && stage > 1) /* at least a request that looks like one */
			be16_put(be16_put(be32_put(bytes, NBD_REQUEST_MAGIC), bytes[40] & 0x1f), bytes[41] & 7);
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		if (round & 16)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	still_well(e, NULL);
}

/* ---- transmission -------------------------------------------------------------- */

static void requests_that_cannot_be_are_answered_with_an_error(void **state)
{
	static const struct { uint16_t flags, type; uint64_t offset; uint32_t length, error; } bad[] = {
		{ 0, NBD_CMD_READ, DISK - 511, 512, NBD_EINVAL },
		{ 0, NBD_CMD_READ, 0, 0, NBD_EINVAL },
		{ 0, NBD_CMD_READ, DISK, 512, NBD_EINVAL },
		{ 0, NBD_CMD_READ, DISK - 512, 1024, NBD_EINVAL },
		{ 0, NBD_CMD_READ, ~511ull, 1024, NBD_EINVAL },
		{ 0, NBD_CMD_READ, 0, 0xfffffe00, NBD_EINVAL },
		{ 0x4, NBD_CMD_READ, 0, 512, NBD_EINVAL },
		{ 0, NBD_CMD_FLUSH, 0, 512, NBD_EINVAL },
		{ 0, NBD_CMD_TRIM, DISK - 512, 1024, NBD_EINVAL },
		{ 0, NBD_CMD_TRIM, ~511ull, 512, NBD_EINVAL },
		{ 0, NBD_CMD_TRIM, DISK - 100, 101, NBD_EINVAL },
		{ NBD_CMD_FLAG_NO_HOLE, NBD_CMD_TRIM, 0, 512, NBD_EINVAL },
		{ 0, NBD_CMD_WRITE_ZEROES, ~511ull, 512, NBD_ENOSPC },
		{ NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_WRITE_ZEROES, 0, 512, NBD_EINVAL },
		{ 0, 5, 0, 512, NBD_EINVAL },
		{ 0, 7, 0, 512, NBD_EINVAL },
		{ 0, 0xffff, 0, 0, NBD_EINVAL },
	};
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_request(fd, bad[i].flags, bad[i].type, i, bad[i].offset, bad[i].length);
		assert_int_equal(simple(fd, i), bad[i].error);
	}
	assert_int_equal(e->taken, 0);
	/* The payload of a refused write is skipped, and the stream stays in step. */
	static char data[70000];
	put_request(fd, 0, NBD_CMD_WRITE, 50, DISK - 512, 69632);
	put(fd, data, 69632);
	assert_int_equal(simple(fd, 50), NBD_ENOSPC);
	put_request(fd, 0x20, NBD_CMD_WRITE, 51, 3, 600);
	put(fd, data, 600);
	put_request(fd, 0, NBD_CMD_FLUSH, 52, 0, 0);
	assert_int_equal(simple(fd, 51), NBD_EINVAL);
	assert_int_equal(simple(fd, 52), 0);
	close(fd);
	still_well(e, NULL);
}

static void a_bad_read_is_a_structured_error_where_that_was_agreed(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, true);
	unsigned char head[26];

	(void)state;
	put_request(fd, 0, NBD_CMD_READ, 9, DISK, 512);
	get(fd, head, sizeof(head));
	assert_int_equal(be32_get(head), NBD_STRUCTURED_MAGIC);
	assert_int_equal(be16_get(head + 4), NBD_REPLY_FLAG_DONE);
	assert_int_equal(be16_get(head + 6), NBD_REPLY_TYPE_ERROR);
	assert_true(be64_get(head + 8) == 9);
	assert_int_equal(be32_get(head + 16), 6);
	assert_int_equal(be32_get(head + 20), NBD_EINVAL);
	close(fd);
	still_well(e, NULL);
}

static void a_write_that_is_too_long_ends_it(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	put_request(fd, 0, NBD_CMD_WRITE, 1, 0, 0x80000000);
	assert_cut_off(fd);
	still_well(e, "client 1 wants to write 2147483648 bytes at once");
}

static void garbage_instead_of_a_request_ends_it(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	put(fd, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
	assert_cut_off(fd);
	still_well(e, "client 1 sent something that is no NBD request (0x30313233)");
}

/* It asks, says that it will ask no more, and gets what it asked for, also from a device that
 * takes its time; the half request at the end is not carried out. */
static void a_half_closed_client_gets_what_it_asked_for(void **state)
{
	static unsigned char data[300 << 10];
	struct exported *e = served();

	(void)state;
	for (int torn = 0; torn < 3; torn++) {
		uint32_t taken = e->taken;
		int fd = transmission(e, false);

		e->hold = 1;
		put_request(fd, 0, NBD_CMD_READ, 1, 8192, sizeof(data));
		put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
		if (torn == 1)
			put(fd, "\x25\x60\x95\x13", 4);
		if (torn == 2) {
			put_request(fd, 0, NBD_CMD_WRITE, 3, 8192, 4096);
			put(fd, "and no more", 11);
		}
		rig_must(!shutdown(fd, SHUT_WR), "shutdown");
		while (e->taken < taken + 3) /* two parts and the flush */
			usleep(500);
		e->hold = 0;
		for (int i = 0; i < 2; i++) {
			unsigned char head[16];

			get(fd, head, sizeof(head));
			assert_int_equal(be32_get(head), NBD_SIMPLE_MAGIC);
			assert_int_equal(be32_get(head + 4), 0);
			if (be64_get(head + 8) == 1) {
				get(fd, data, sizeof(data));
				assert_memory_equal(data, e->ram.disk + 8192, sizeof(data));
			}
		}
		assert_int_equal(recv(fd, data, 1, 0), 0);
		close(fd);
	}
	/* So does one that only wants to know what there is. */
	int fd = hello(e);
	put_option(fd, NBD_OPT_LIST, NULL, 0);
	rig_must(!shutdown(fd, SHUT_WR), "shutdown");
	assert_int_equal(option_reply(fd, NBD_OPT_LIST), NBD_REP_SERVER);
	assert_int_equal(option_reply(fd, NBD_OPT_LIST), NBD_REP_ACK);
	assert_cut_off(fd);
	still_well(e, NULL);
}

/* A read longer than a part, without structured replies: one header, then all of it. */
static void a_long_simple_read_comes_in_one_piece(void **state)
{
	static unsigned char data[6 << 20];
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	put_request(fd, 0, NBD_CMD_READ, 1, 0, 512);
	put_request(fd, 0, NBD_CMD_READ, 2, 4096, sizeof(data));
	put_request(fd, 0, NBD_CMD_READ, 3, 8192, 512);
	assert_int_equal(simple(fd, 1), 0);
	get(fd, data, 512);
	assert_int_equal(simple(fd, 2), 0);
	get(fd, data, sizeof(data));
	assert_memory_equal(data, e->ram.disk + 4096, sizeof(data));
	assert_int_equal(simple(fd, 3), 0);
	get(fd, data, 512);
	assert_memory_equal(data, e->ram.disk + 8192, 512);
	close(fd);
	still_well(e, NULL);
}

/* When half of it is on the wire an error cannot be said any more: the line is cut. */
static void a_long_simple_read_that_fails_halfway(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	e->fail_sector = 5 << 11; /* MiB 5, that is past what the arena holds at once */
	put_request(fd, 0, NBD_CMD_READ, 2, 0, 6 << 20);
	assert_cut_off(fd);
	e->fail_sector = 100;
	fd = transmission(e, false);
	put_request(fd, 0, NBD_CMD_READ, 3, 0, 262144);
	assert_int_equal(simple(fd, 3), NBD_EIO);
	close(fd);
	still_well(e, NULL);
}

/* It asks for all it can and reads nothing. Others are served; what it holds is bounded;
 * when it goes, all of it comes back. */
static void a_client_that_never_reads_blocks_nobody(void **state)
{
	struct exported *e = served();
	int rude[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		rude[i] = transmission(e, i & 1);
		for (uint64_t n = 0; n < 200; n++)
			put_request(rude[i], 0, NBD_CMD_READ, n, 0, 1 << 20);
	}
	int fd = transmission(e, false);
	for (uint64_t n = 0; n < 200; n++) {
		static unsigned char data[65536];

		put_request(fd, 0, NBD_CMD_READ, n, 0, sizeof(data));
		assert_int_equal(simple(fd, n), 0);
		get(fd, data, sizeof(data));
	}
	close(fd);
	for (int i = 0; i < 8; i++)
		close(rude[i]);
	still_well(e, NULL);
}

static void until_cut(struct exported *e, uint64_t clients)
{
	while (e->rig.stats->clients_cut < clients)
		usleep(1000); /* the alarm ends what never comes */
}

/* It keeps its place, a share of the arena and its commands until it is cut off, in vain. One that is
 * idle between two requests is let be, and so is one that takes its answers one by one. */
static void a_client_that_never_reads_is_cut_off(void **state)
{
	struct exported *e = served_by(HASTY);
	int idle = transmission(e, false), slow = transmission(e, false), deaf = transmission(e, true);
	static unsigned char data[1 << 20], head[16];

	(void)state;
	for (uint64_t n = 0; n < 64; n++)
		put_request(deaf, 0, NBD_CMD_READ, n, 0, sizeof(data));
	for (uint64_t n = 0; n < 8; n++)
		put_request(slow, 0, NBD_CMD_READ, n, 0, sizeof(data));
	for (uint64_t n = 0; n < 8; n++) {
		get(slow, head, sizeof(head)); /* in any order */
		assert_true(be32_get(head) == NBD_SIMPLE_MAGIC && !be32_get(head + 4));
		for (size_t at = 0; at < sizeof(data); at += 65536) {
			get(slow, data + at, 65536);
			usleep(30000); /* in all longer than the deaf one has */
		}
	}
	until_cut(e, 1);
	put_request(idle, 0, NBD_CMD_READ, 1, 0, 512);
	assert_int_equal(simple(idle, 1), 0);
	get(idle, data, 512);
	assert_int_equal(e->rig.stats->clients_cut, 1);
	close(idle);
	close(slow);
	close(deaf);
	still_well(e, "client 3 takes none of its answers: cut off");
}

/* So does one that begins a write and does not send the rest. Bytes of it now and then are progress. */
static void a_client_that_stops_within_a_write_is_cut_off(void **state)
{
	struct exported *e = served_by(HASTY);
	int refused = transmission(e, false), fd = transmission(e, false), slow = transmission(e, false);

	(void)state;
	put_request(fd, 0, NBD_CMD_WRITE, 1, 0, 65536);
	put(fd, "and no more", 11);
	put_request(slow, 0, NBD_CMD_WRITE, 1, 0, 4096);
	for (int i = 0; i < 64; i++) {
		static const char part[64];

		put(slow, part, sizeof(part));
		usleep(60000);
	}
	assert_int_equal(simple(slow, 1), 0);
	until_cut(e, 1);
	/* Payload nobody wants, of a write that was refused. */
	put_request(refused, 0, NBD_CMD_WRITE, 1, DISK, 65536);
	assert_int_equal(simple(refused, 1), NBD_ENOSPC);
	until_cut(e, 2);
	close(fd);
	close(slow);
	close(refused);
	still_well(e, "client 2 stops within a write: cut off");
}

/* The answer to GO; 0 where the client is served. */
static uint32_t goes(int fd)
{
	uint32_t type;

	put_option(fd, NBD_OPT_GO, "\0\0\0\0\0", 6);
	do
		type = option_reply(fd, NBD_OPT_GO);
	while (type == NBD_REP_INFO);
	return type == NBD_REP_ACK ? 0 : type;
}

/* One user gets a share, is told when it is used up, and gets more when one ends. */
static void one_user_gets_a_share_of_the_connections(void **state)
{
	enum { SHARE = 24 };
	struct exported *e = served();
	int fd[SHARE];

	(void)state;
	for (int i = 0; i < SHARE; i++)
		fd[i] = transmission(e, false);
	for (int i = 0; i < 100; i++) { /* so many are refused, and none of them stays */
		int more = hello(e);

		assert_int_equal(goes(more), NBD_REP_ERR_POLICY);
		assert_int_equal(goes(more), NBD_REP_ERR_POLICY);
		put_option(more, NBD_OPT_LIST, NULL, 0);
		assert_int_equal(option_reply(more, NBD_OPT_LIST), NBD_REP_SERVER);
		if (i & 1)
			put_option(more, NBD_OPT_EXPORT_NAME, NULL, 0);
		else
			put_option(more, NBD_OPT_ABORT, NULL, 0);
		if (i & 1)
			assert_cut_off(more);
		else
			close(more);
	}
	/* The others notice nothing. */
	put_request(fd[3], 0, NBD_CMD_FLUSH, 1, 0, 0);
	assert_int_equal(simple(fd[3], 1), 0);
	close(fd[5]);
	int again = hello(e);
	while (goes(again)) /* until the end of the other was seen */
		usleep(1000);
	for (int i = 0; i < SHARE; i++)
		if (i != 5)
			close(fd[i]);
	close(again);
	still_well(e, "is refused: uid [0-9]* has 24 of 32 connections");
}

/* Many that ended with requests under way are not counted: who comes back at once is served. */
static void those_that_ended_take_no_share(void **state)
{
	struct exported *e = served();

	(void)state;
	e->hold = 1;
	for (int round = 0; round < 36; round++) {
		uint32_t before = e->taken;
		int fd = transmission(e, false);

		put_request(fd, 0, NBD_CMD_READ, 1, 0, 4096);
		while (e->taken == before)
			usleep(500);
		close(fd);
	}
	e->hold = 0;
	still_well(e, "vanished in mid-request");
}

/* Connects as other users and tries to be served: a bit set of the users that are. */
static uint32_t served_users(struct exported *e, int users)
{
	uint32_t are = 0;

	for (int u = 0; u < users; u++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			alarm(60);
			if (setresuid(20000 + (uid_t)u, 20000 + (uid_t)u, 20000 + (uid_t)u))
				_exit(2);
			_exit(goes(hello(e)) ? 1 : 0);
		}
		rig_must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2,
			 "another user");
		are |= (uint32_t)!WEXITSTATUS(status) << u;
	}
	return are;
}

/* One that takes all it can keeps no other user out, nor do clients that never negotiate. */
static void no_user_keeps_another_out(void **state)
{
	struct exported *e = served();
	int fd[300];

	(void)state;
	if (geteuid()) {
		print_message("# not root: there are no other users to be\n");
		assert_int_equal(exported_end(e), 0);
		free(e);
		skip();
	}
	rig_must(!chmod(e->dir, 0755) && !chmod(e->socket, 0777), "chmod");
	for (int i = 0; i < 300; i++) {
		fd[i] = i % 10 ? dial(e) : hello(e);
		if (i % 10 == 0)
			goes(fd[i]);
	}
	assert_int_equal(served_users(e, 6), 0x3f);
	for (int i = 0; i < 300; i++)
		close(fd[i]);
	still_well(e, "makes room for others");
}

/* Thousands of clients that send garbage fill no log. */
static void garbage_fills_no_log(void **state)
{
	struct exported *e = served();
	char command[200];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		unsigned char head[18];
		int fd = dial(e);

		get(fd, head, sizeof(head));
		put(fd, "GET / HTTP/1.1\r\n\r\n", 18);
		assert_cut_off(fd);
	}
	snprintf(command, sizeof(command), "test $(wc -c <%s) -lt 20000", e->log);
	assert_int_equal(system(command), 0);
	sleep(2); /* a second is what the next line costs */
	int fd = dial(e);
	put(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_cut_off(fd);
	still_well(e, "lines are missing here: peers gave cause for too many");
}

/* Vanishes with requests in a driver's hands that does not answer; they end later. */
static void a_client_that_vanishes_leaves_nothing_behind(void **state)
{
	static char data[4096];
	struct exported *e = served();

	(void)state;
	e->hold = 1;
	for (int round = 0; round < 20; round++) {
		int fd = transmission(e, round & 1);
		uint32_t before = e->taken;

		for (uint64_t n = 0; n < 5; n++)
			put_request(fd, 0, NBD_CMD_READ, n, n * 4096, 4096);
		put_request(fd, 0, NBD_CMD_WRITE, 9, DISK - 4096, 4096);
		put(fd, data, 4096);
		put_request(fd, 0, NBD_CMD_WRITE, 10, DISK - 8192, 4096);
		put(fd, data, 1000); /* and the rest never comes */
		while (e->taken < before + 5)
			usleep(500);
		close(fd);
	}
	e->hold = 0;
	e->die_now = 1;
	still_well(e, "vanished in mid-request");
}

static void when_the_device_is_gone_clients_hear_it(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	e->hold = 1;
	put_request(fd, 0, NBD_CMD_READ, 1, 0, 512);
	while (!e->taken)
		usleep(500);
	rig_send(&e->rig, RF_SVC_GONE, 0);
	assert_int_equal(simple(fd, 1), NBD_EIO);
	put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
	assert_int_equal(simple(fd, 2), NBD_EIO);
	close(fd);
	assert_cut_off(dial(e));
	assert_int_equal(exported_end(e), 0);
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_flags_that_are_not_nbd_end_it),
		cmocka_unit_test(options_of_every_length),
		cmocka_unit_test(names_of_every_length),
		cmocka_unit_test(garbage_instead_of_an_option_ends_it),
		cmocka_unit_test(a_huge_option_ends_it_and_a_long_one_is_refused),
		cmocka_unit_test(options_we_do_not_know_are_refused_and_the_rest_goes_on),
		cmocka_unit_test(lying_lengths_in_go_are_invalid),
		cmocka_unit_test(a_client_may_vanish_at_every_byte),
		cmocka_unit_test(random_bytes_at_every_stage),
		cmocka_unit_test(requests_that_cannot_be_are_answered_with_an_error),
		cmocka_unit_test(a_bad_read_is_a_structured_error_where_that_was_agreed),
		cmocka_unit_test(a_write_that_is_too_long_ends_it),
		cmocka_unit_test(garbage_instead_of_a_request_ends_it),
		cmocka_unit_test(a_half_closed_client_gets_what_it_asked_for),
		cmocka_unit_test(a_long_simple_read_comes_in_one_piece),
		cmocka_unit_test(a_long_simple_read_that_fails_halfway),
		cmocka_unit_test(a_client_that_never_reads_blocks_nobody),
		cmocka_unit_test(a_client_that_never_reads_is_cut_off),
		cmocka_unit_test(a_client_that_stops_within_a_write_is_cut_off),
		cmocka_unit_test(one_user_gets_a_share_of_the_connections),
		cmocka_unit_test(those_that_ended_take_no_share),
		cmocka_unit_test(no_user_keeps_another_out),
		cmocka_unit_test(garbage_fills_no_log),
		cmocka_unit_test(a_client_that_vanishes_leaves_nothing_behind),
		cmocka_unit_test(when_the_device_is_gone_clients_hear_it),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
