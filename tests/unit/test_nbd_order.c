/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_order.c - every byte of every read, over each variant of the protocol, from a device
 * that answers in any order, takes little at a time and has a small arena behind it.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan, and as client build/tests/nbd_verify and
 *         bytes of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define NBD  "build/tests/rf-nbd-asan"
#define DISK (8u << 20)
#define EXPORT_ARENA (2u << 20)

#include "nbd_bytes.h"

static struct exported *served(uint32_t max_transfer)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	e->rig.info.max_transfer = max_transfer;
	for (uint32_t i = 0; i < DISK; i += 4)
		memcpy(e->ram.disk + i, &i, 4);
	exported_serve(e, NBD);
	return e;
}

static void end(struct exported *e)
{
	assert_int_equal(exported_end(e), 0);
	free(e);
}

static void verify(const struct exported *e, const char *how)
{
	char command[400];

	snprintf(command, sizeof(command),
		 "build/tests/nbd_verify %s %s >%s/out 2>&1; code=$?; "
		 "sed 's/^/# /' %s/out; [ $code = 0 ] || sed 's/^/# /' %s",
		 e->socket, how, e->dir, e->dir, e->log);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "grep -q '\"wrong\": 0, \"errors\": 0,' %s/out", e->dir);
	assert_int_equal(system(command), 0);
}

static void reads_in_parts(uint32_t max_transfer)
{
	struct exported *e = served(max_transfer);

	verify(e, "seconds=2 readers=8 depth=16");
	verify(e, "seconds=1 readers=4 depth=4 largest=3145728");
	end(e);
}

static void a_device_that_takes_8_kib_and_reorders(void **state)
{
	(void)state;
	reads_in_parts(8 << 10);
}

static void a_device_that_takes_32_kib_and_reorders(void **state)
{
	(void)state;
	reads_in_parts(32 << 10);
}

static void a_device_that_takes_128_kib_and_reorders(void **state)
{
	(void)state;
	reads_in_parts(128 << 10);
}

/* Twelve ask for all they can and take nothing until the others are done; those get all they
 * ask for, and then the twelve do. */
static void a_dozen_that_do_not_read_hinder_nobody(void **state)
{
	static const uint32_t most[] = { 8 << 10, 32 << 10, 128 << 10, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct exported *e = served(most[i]);

		verify(e, "seconds=1 readers=4 lazy=12 depth=32");
		end(e);
	}
}

static void drivers_that_die_between_the_parts(void **state)
{
	struct exported *e = served(32 << 10);

	(void)state;
	e->die_after = 200;
	verify(e, "seconds=2 readers=6 depth=16");
	assert_true(e->deaths > 0);
	end(e);
}

/* The export has taken up all it will for now: it answered a bad request in twenty later turns, and
 * a hundred of a connection take it seven. */
static void until_taken_up(int fd)
{
	for (uint64_t i = 0; i < 20; i++) {
		put_request(fd, 0, NBD_CMD_READ, 1000 + i, 0, 0);
		assert_int_equal(simple(fd, 1000 + i), NBD_EINVAL);
	}
}

static void drop(int fd, size_t n)
{
	static unsigned char sink[1 << 20];

	get(fd, sink, n);
}

/* As long as room can be had for all of it, a read fails as a whole: with an error, not with
 * the connection; and those asked for beside it are answered. */
static void a_read_in_parts_fails_before_its_first_byte(void **state)
{
	struct exported *e = served(32 << 10);
	int fd = transmission(e, false);
	bool seen[8] = { false };

	(void)state;
	e->fail_sector = (200 << 10) / 512; /* in the last quarter of the first read */
	for (uint64_t i = 0; i < 8; i++)
		put_request(fd, 0, NBD_CMD_READ, i, i ? 1 << 20 : 0, i % 2 ? 512 : 262144);
	for (int i = 0; i < 8; i++) {
		unsigned char head[16];

		get(fd, head, sizeof(head));
		assert_int_equal(be32_get(head), NBD_SIMPLE_MAGIC);
		uint64_t handle = be64_get(head + 8);
		assert_true(handle < 8 && !seen[handle]);
		seen[handle] = true;
		assert_int_equal(be32_get(head + 4), handle ? 0 : NBD_EIO);
		if (handle)
			drop(fd, handle % 2 ? 512 : 262144);
	}
	close(fd);
	end(e);
}

/* "Do not fragment": one chunk, whatever the device takes at a time; an error is one, too. */
static void a_read_that_must_not_be_fragmented_is_one_chunk(void **state)
{
	static unsigned char data[262144];
	struct exported *e = served(8 << 10);
	int fd = transmission(e, true);
	unsigned char head[28];

	(void)state;
	put_request(fd, NBD_CMD_FLAG_DF, NBD_CMD_READ, 5, 65536, sizeof(data));
	get(fd, head, 28);
	assert_int_equal(be32_get(head), NBD_STRUCTURED_MAGIC);
	assert_int_equal(be16_get(head + 4), NBD_REPLY_FLAG_DONE);
	assert_int_equal(be16_get(head + 6), NBD_REPLY_TYPE_OFFSET_DATA);
	assert_true(be64_get(head + 8) == 5);
	assert_int_equal(be32_get(head + 16), sizeof(data) + 8);
	assert_true(be64_get(head + 20) == 65536);
	get(fd, data, sizeof(data));
	assert_memory_equal(data, e->ram.disk + 65536, sizeof(data));
	e->fail_sector = (65536 + 20000) / 512;
	put_request(fd, NBD_CMD_FLAG_DF, NBD_CMD_READ, 6, 65536, sizeof(data));
	get(fd, head, 26);
	assert_int_equal(be16_get(head + 4), NBD_REPLY_FLAG_DONE);
	assert_int_equal(be16_get(head + 6), NBD_REPLY_TYPE_ERROR);
	assert_int_equal(be32_get(head + 20), NBD_EIO);
	close(fd);
	/* Without structured replies nobody may ask for it. */
	fd = transmission(e, false);
	put_request(fd, NBD_CMD_FLAG_DF, NBD_CMD_READ, 7, 0, 512);
	assert_int_equal(simple(fd, 7), NBD_EINVAL);
	close(fd);
	end(e);
}

/* Whoever left before this client came has got back all its room. The export saw it leave before it
 * welcomed this one, so nothing more is sent for it, and what was sent is answered here. */
static void until_all_is_answered(struct exported *e)
{
	while (e->answered != e->taken)
		usleep(500);
}

/* Gone while its reads are half gathered, with answers still to come: all room comes back. */
static void clients_that_vanish_with_reads_half_gathered(void **state)
{
	struct exported *e = served(8 << 10);

	(void)state;
	for (int round = 0; round < 30; round++) {
		int fd = transmission(e, false);

		until_all_is_answered(e);
		uint32_t before = e->taken;
		e->hold = round % 3 == 0;
		for (uint64_t i = 0; i < 20; i++)
			put_request(fd, 0, NBD_CMD_READ, i, i << 18, round & 1 ? 262144 : 1 << 20);
		while (e->taken < before + 30)
			usleep(500);
		close(fd);
		e->hold = 0;
	}
	verify(e, "seconds=1 readers=12 depth=16");
	end(e);
}

/* Requests that are answered before the driver sees the read of a client that came after `count`
 * others with a hundred writes each, or, apart from each other, zeroings. */
static uint32_t overtaken(struct exported *e, int *crowd, uint32_t count, uint32_t bytes,
			  uint32_t apart)
{
	static unsigned char data[4096];
	unsigned char answer[16 + 512];
	int reader = transmission(e, false);

	for (uint32_t i = 0; i < count; i++)
		crowd[i] = transmission(e, false);
	e->hold = 1;
	e->awaited = DISK - 4096;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < 100; k++) {
			put_request(crowd[i], 0, apart ? NBD_CMD_WRITE_ZEROES : NBD_CMD_WRITE, k,
				    (i * 100 + k) * apart, bytes);
			put(crowd[i], data, apart ? 0 : bytes);
		}
	until_taken_up(reader);
	put_request(reader, 0, NBD_CMD_READ, 7, DISK - 4096, 512);
	until_taken_up(reader);
	e->hold = 0;
	get(reader, answer, sizeof(answer));
	assert_int_equal(be32_get(answer + 4), 0);
	close(reader);
	return e->before_awaited;
}

static void a_crowd(uint32_t bytes, uint32_t apart, uint32_t most)
{
	struct exported *e = served(1 << 20);
	int crowd[20];
	uint32_t before = overtaken(e, crowd, 20, bytes, apart);

	print_message("# %u requests were answered before the read\n", before);
	assert_true(before <= most);
	for (uint32_t i = 0; i < 20; i++) {
		bool seen[100] = { false };

		for (uint32_t k = 0; k < 100; k++) {
			unsigned char head[16];

			get(crowd[i], head, sizeof(head));
			assert_int_equal(be32_get(head + 4), 0);
			assert_true(be64_get(head + 8) < 100 && !seen[be64_get(head + 8)]);
			seen[be64_get(head + 8)] = true;
		}
		close(crowd[i]);
	}
	end(e);
}

/* Those that wait for each other take no place from one that waits for nobody. */
static void a_crowd_on_one_block_keeps_nobody_out(void **state)
{
	(void)state;
	a_crowd(512, 0, 4);
}

static void a_crowd_on_a_part_of_one_block_keeps_nobody_out(void **state)
{
	(void)state;
	a_crowd(100, 0, 4);
}

/* The table is full, and a few wait for a place in it. Zeroings need no arena. */
static void a_crowd_that_fills_the_table_lets_others_in(void **state)
{
	(void)state;
	a_crowd(512, 512, RF_BLK_DEPTH + 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_takes_8_kib_and_reorders),
		cmocka_unit_test(a_device_that_takes_32_kib_and_reorders),
		cmocka_unit_test(a_device_that_takes_128_kib_and_reorders),
		cmocka_unit_test(a_dozen_that_do_not_read_hinder_nobody),
		cmocka_unit_test(drivers_that_die_between_the_parts),
		cmocka_unit_test(a_read_in_parts_fails_before_its_first_byte),
		cmocka_unit_test(a_read_that_must_not_be_fragmented_is_one_chunk),
		cmocka_unit_test(clients_that_vanish_with_reads_half_gathered),
		cmocka_unit_test(a_crowd_on_one_block_keeps_nobody_out),
		cmocka_unit_test(a_crowd_on_a_part_of_one_block_keeps_nobody_out),
		cmocka_unit_test(a_crowd_that_fills_the_table_lets_others_in),
	};

	alarm(400);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
