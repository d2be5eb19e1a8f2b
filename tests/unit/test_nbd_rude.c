/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_rude.c - rf-nbd against clients that send garbage, ask for too much, vanish
 * in mid-request or never read, while a polite one is served all the time.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan: the same sources under ASan and
 *         UBSan, with a lock that does nothing.
 */
#include "hostile_client.h"

/* ---- transmission -------------------------------------------------------------- */

static void requests_that_cannot_be_are_answered_with_an_error(void **state)
{
	static const struct {
		uint16_t flags, type;
		uint64_t offset;
		uint32_t length, error;
	} bad[] = {
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

/* It keeps its place, a share of the arena and its commands until it is cut off, in vain. One that
 * is idle between two requests is let be, and so is one that takes its answers one by one. */
static void a_client_that_never_reads_is_cut_off(void **state)
{
	struct exported *e = served_by(HASTY);
	int idle = transmission(e, false), slow = transmission(e, false),
	    deaf = transmission(e, true);
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

/* So does one that begins a write and does not send the rest. Bytes now and then are progress. */
static void a_client_that_stops_within_a_write_is_cut_off(void **state)
{
	struct exported *e = served_by(HASTY);
	int refused = transmission(e, 0), fd = transmission(e, 0), slow = transmission(e, 0);

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
		rig_must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
				 WEXITSTATUS(status) < 2,
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
