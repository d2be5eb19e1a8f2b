/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_limits.c - rf-nbd with limits: what a client asks for takes as long as its rate says, at
 * least, while its neighbour goes on; and of the in-flight table one client leaves others a part.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/clock.c"
#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define NBD  "build/tests/rf-nbd-asan"
#define DISK (8u << 20)

#include "nbd_bytes.h"

#define WAIT_NS 60000000000ull

static struct exported *limited(struct rf_limits limit, struct rf_limits client_limit)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	e->rig.config->limit = limit;
	e->rig.config->client_limit = client_limit;
	exported_serve(e, NBD);
	return e;
}

static void end(struct exported *e)
{
	assert_int_equal(exported_end(e), 0);
	free(e);
}

static void put_reads(int fd, uint32_t n, uint32_t length)
{
	for (uint32_t i = 0; i < n; i++)
		put_request(fd, 0, NBD_CMD_READ, i, (uint64_t)(i % 1024) * 4096, length);
}

/* Answers come in any order. */
static void get_reads(int fd, uint32_t n, uint32_t length)
{
	static unsigned char data[16 + (1 << 20)];

	for (uint32_t i = 0; i < n; i++) {
		get(fd, data, 16 + length);
		assert_int_equal(be32_get(data), NBD_SIMPLE_MAGIC);
		assert_int_equal(be32_get(data + 4), 0);
	}
}

static void ask_and_wait(int fd, uint16_t type, uint64_t handle)
{
	put_request(fd, 0, type, handle, 0, 0);
	assert_int_equal(simple(fd, handle), 0);
}

static uint64_t least_ns(const struct rf_rate *r, uint64_t asked)
{
	return (asked - r->burst) * 1000000000 / r->rate;
}

/* 250 reads at 100 a second, 50 at once: two seconds at least. Meanwhile one with fewer than its
 * burst is answered, and a flush. */
static void a_client_waits_and_its_neighbour_does_not(void **state)
{
	const struct rf_limits each = { .requests = { 100, 50 } };
	struct exported *e = limited((struct rf_limits){ 0 }, each);
	int greedy = transmission(e, false), modest = transmission(e, false);
	uint64_t from = rf_now_ns();

	(void)state;
	put_reads(greedy, 250, 4096);
	get_reads(greedy, 50, 4096);
	put_reads(modest, 50, 4096);
	get_reads(modest, 50, 4096);
	ask_and_wait(modest, NBD_CMD_FLUSH, 77);
	get_reads(greedy, 200, 4096);
	assert_true(rf_now_ns() - from >= least_ns(&each.requests, 250));
	assert_true(e->rig.stats->throttled > 0);
	assert_true(e->rig.stats->throttled_ns > 0);
	close(greedy);
	close(modest);
	end(e);
}

/* The disk's own limit, in bytes, over two clients together and over writes. */
static void all_clients_of_a_disk_share_its_limit(void **state)
{
	const struct rf_limits disk = { .bytes = { 4 << 20, 1 << 20 } };
	static unsigned char payload[1 << 20];
	struct exported *e = limited(disk, (struct rf_limits){ 0 });
	int fd[2] = { transmission(e, false), transmission(e, false) };
	uint64_t from = rf_now_ns();

	(void)state;
	for (int round = 0; round < 2; round++) {
		put_reads(fd[0], 1, 1 << 20);
		put_request(fd[1], 0, NBD_CMD_WRITE, 9, 0, sizeof(payload));
		put(fd[1], payload, sizeof(payload));
		get_reads(fd[0], 1, 1 << 20);
		assert_int_equal(simple(fd[1], 9), 0);
	}
	assert_true(rf_now_ns() - from >= least_ns(&disk.bytes, 4 << 20));
	close(fd[0]);
	close(fd[1]);
	end(e);
}

/* Some go away with requests of two seconds waiting; the next one is served. */
static void who_ends_while_it_waits_leaves_nothing(void **state)
{
	const struct rf_limits disk = { .requests = { 50, 4 } };
	struct exported *e = limited(disk, (struct rf_limits){ 0 });
	uint64_t deadline = rf_now_ns() + WAIT_NS;

	(void)state;
	for (int i = 0; i < 4; i++) {
		int fd = transmission(e, false);

		put_reads(fd, 100, 4096);
		get_reads(fd, 1, 4096);
		close(fd);
	}
	int fd = transmission(e, false);
	put_reads(fd, 20, 4096);
	get_reads(fd, 20, 4096);
	while (e->rig.stats->clients != 1 && rf_now_ns() < deadline)
		usleep(1000);
	assert_int_equal(e->rig.stats->clients, 1);
	close(fd);
	end(e);
}

#define PART 16384u
#define FAR  (7u << 20)

/* A driver that answers nothing. One client alone, whose discards would fill the table, gets 192 of
 * its 256 places, and the next one, with one request, still finds one. */
static void one_client_leaves_others_a_part_of_the_table(void **state)
{
	struct exported *e = calloc(1, sizeof(*e));
	uint64_t deadline = rf_now_ns() + WAIT_NS;

	(void)state;
	exported_init(e, DISK);
	e->rig.info.max_discard = PART;
	e->hold = 1;
	e->awaited = FAR;
	e->before_awaited = ~0u;
	exported_serve(e, NBD);
	int greedy = transmission(e, false), modest = transmission(e, false);
	for (uint32_t i = 0; i < 128; i++) /* as many as a connection may have, of two parts each */
		put_request(greedy, 0, NBD_CMD_TRIM, i, (uint64_t)i * 2 * PART, 2 * PART);
	while (e->taken < 192 && rf_now_ns() < deadline)
		usleep(1000);
	put_request(modest, 0, NBD_CMD_READ, 0, FAR, 4096);
	while (e->before_awaited && rf_now_ns() < deadline)
		usleep(1000);
	assert_int_equal(e->before_awaited, 0); /* it came before anything was answered */
	assert_int_equal(e->taken, 193);
	e->hold = 0;
	get_reads(modest, 1, 4096);
	for (uint32_t i = 0; i < 128; i++) {
		unsigned char reply[16];

		get(greedy, reply, sizeof(reply));
		assert_int_equal(be32_get(reply + 4), 0);
	}
	close(greedy);
	close(modest);
	end(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_waits_and_its_neighbour_does_not),
		cmocka_unit_test(all_clients_of_a_disk_share_its_limit),
		cmocka_unit_test(who_ends_while_it_waits_leaves_nothing),
		cmocka_unit_test(one_client_leaves_others_a_part_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
