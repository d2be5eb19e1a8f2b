/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_negotiation.c - clients that negotiate rudely: the server goes on for the others.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan: the same sources under ASan and UBSan.
 */
#include "hostile_client.h"

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
		assert_int_equal(option_reply(fd, NBD_OPT_LIST),
				 n ? NBD_REP_ERR_INVALID : NBD_REP_SERVER);
		if (!n)
			assert_int_equal(option_reply(fd, NBD_OPT_LIST), NBD_REP_ACK);
		put_option(fd, NBD_OPT_STRUCTURED_REPLY, data, n);
		assert_int_equal(option_reply(fd, NBD_OPT_STRUCTURED_REPLY),
				 n ? NBD_REP_ERR_INVALID : NBD_REP_ACK);
		put_option(fd, NBD_OPT_GO, data, n); /* its first bytes are no length */
		assert_int_equal(option_reply(fd, NBD_OPT_GO),
				 n > 8176 ? NBD_REP_ERR_TOO_BIG : NBD_REP_ERR_INVALID);
		put_option(fd, NBD_OPT_ABORT, data, n);
		assert_int_equal(option_reply(fd, NBD_OPT_ABORT), NBD_REP_ACK);
		assert_cut_off(fd);
		if (!n)
			continue;
		fd = hello(e);
		put_be(fd, 8, NBD_OPTS_MAGIC);
		put_be(fd, 4, NBD_OPT_EXPORT_NAME);
		put_be(fd, 4, n);
		/* it may hang up before all of it is there */
		(void)!send(fd, data, n, MSG_NOSIGNAL);
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
			be16_put(be16_put(be32_put(bytes, NBD_REQUEST_MAGIC), bytes[40] & 0x1f),
				 bytes[41] & 7);
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		if (round & 16)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	still_well(e, NULL);
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
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
