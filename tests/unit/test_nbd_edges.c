/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_edges.c - writes, zeroings and reads that begin and end anywhere, on disks of 512 and
 * 4,096 bytes a block, from a device that answers in any order and whose driver dies.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan. Prints its seed; SEED=n repeats it.
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

#include "nbd_bytes.h"

#define SPAN (96u << 10) /* of the disk, so that much overlaps */

static uint32_t seed, chance_state;
static unsigned char model[DISK];

static uint32_t chance(uint32_t below)
{
	chance_state = chance_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)chance_state * below >> 32);
}

static struct exported *served(uint32_t block)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	e->rig.info.block_size = block;
	e->rig.info.max_transfer = 32 << 10;
	for (uint32_t i = 0; i < DISK; i++)
		e->ram.disk[i] = model[i] = (unsigned char)(i * 7 + i / 4096);
	exported_serve(e, NBD);
	return e;
}

static void end(struct exported *e)
{
	assert_memory_equal(e->ram.disk, model, DISK);
	assert_int_equal(exported_end(e), 0);
	free(e);
}

/* One change, sent and noted in the model. */
static void change(int fd, uint64_t handle, uint32_t block)
{
	static unsigned char data[20000];
	uint32_t offset = chance(SPAN), kind = chance(8);
	uint32_t length = 1 + chance(chance(4) ? 2000 : sizeof(data));

	if (kind == 0) {
		uint32_t from = (offset + block - 1) / block * block,
			 to = (offset + length) / block * block;

		put_request(fd, 0, NBD_CMD_TRIM, handle, offset, length);
		if (to > from)
			memset(model + from, 0, to - from);
		return;
	}
	if (kind < 3) {
		put_request(fd, kind == 1 ? NBD_CMD_FLAG_FUA : 0, NBD_CMD_WRITE_ZEROES, handle,
			    offset, length);
		memset(model + offset, 0, length);
		return;
	}
	memset(data, (int)chance(256), length);
	put_request(fd, kind == 3 ? NBD_CMD_FLAG_FUA : 0, NBD_CMD_WRITE, handle, offset, length);
	put(fd, data, length);
	memcpy(model + offset, data, length);
}

/* Changes and then reads, all under way at once: each read sees all of the changes. */
static void burst(int fd, uint32_t block, uint32_t changes)
{
	static unsigned char data[9000];
	struct { uint32_t offset, length; } read[16];
	uint32_t reads = 1 + chance(16);

	for (uint32_t i = 0; i < changes; i++)
		change(fd, 100 + i, block);
	for (uint32_t i = 0; i < reads; i++) {
		read[i].offset = chance(SPAN);
		read[i].length = 1 + chance(sizeof(data));
		put_request(fd, 0, NBD_CMD_READ, i, read[i].offset, read[i].length);
	}
	for (uint32_t i = 0; i < reads + changes; i++) {
		unsigned char head[16];

		get(fd, head, sizeof(head));
		assert_int_equal(be32_get(head), NBD_SIMPLE_MAGIC);
		assert_int_equal(be32_get(head + 4), 0);
		uint64_t n = be64_get(head + 8);
		if (n >= 100)
			continue;
		assert_true(n < sizeof(read) / sizeof(read[0]));
		get(fd, data, read[n].length);
		assert_memory_equal(data, model + read[n].offset, read[n].length);
	}
}

static void bursts_over(struct exported *e, uint32_t die_after)
{
	int fd = transmission(e, false);

	chance_state = seed;
	e->die_after = die_after;
	for (int i = 0; i < 200; i++)
		burst(fd, e->rig.info.block_size, 1 + chance(24));
	close(fd);
	assert_int_equal(e->deaths != 0, die_after != 0);
}

static void bursts(uint32_t block, uint32_t die_after)
{
	struct exported *e = served(block);

	bursts_over(e, die_after);
	end(e);
}

static void anything_anywhere_on_blocks_of_4_kib(void **state)
{
	(void)state;
	bursts(4096, 0);
}

static void anything_anywhere_on_blocks_of_512(void **state)
{
	(void)state;
	bursts(512, 0);
}

static void anything_anywhere_while_drivers_die(void **state)
{
	(void)state;
	bursts(4096, 150);
}

static void anything_anywhere_with_integrity_memory(void **state)
{
	struct exported *e = calloc(1, sizeof(*e));

	(void)state;
	exported_init(e, DISK);
	e->rig.info.block_size = 4096;
	e->rig.config->flags = RF_EXPORT_INTEGRITY_MEMORY;
	memset(model, 0, DISK);
	exported_serve(e, NBD);
	bursts_over(e, 150);
	end(e);
}

/* Many connections write to the same blocks, each its own bytes of them: none is lost. */
static void neighbours_in_a_block_lose_nothing(void **state)
{
	enum { CLIENTS = 8, ROUNDS = 60, BLOCKS = 3, EACH = 4096 / CLIENTS };
	struct exported *e = served(4096);
	unsigned char data[EACH];
	int fd[CLIENTS];

	(void)state;
	for (int c = 0; c < CLIENTS; c++)
		fd[c] = transmission(e, c & 1);
	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < BLOCKS * CLIENTS; i++) {
			uint32_t c = i % CLIENTS, at = i / CLIENTS * 4096 + c * EACH;

			memset(data, round + (int)c, EACH);
			put_request(fd[c], 0, NBD_CMD_WRITE, i, at, EACH);
			put(fd[c], data, EACH);
			memcpy(model + at, data, EACH);
		}
		for (uint32_t i = 0; i < BLOCKS * CLIENTS; i++) {
			unsigned char head[16];

			get(fd[i % CLIENTS], head, sizeof(head));
			assert_int_equal(be32_get(head + 4), 0);
		}
		assert_memory_equal(e->ram.disk, model, BLOCKS * 4096);
	}
	for (int c = 0; c < CLIENTS; c++)
		close(fd[c]);
	end(e);
}

/* A block that cannot be read cannot be written in part, and says so; the others can. */
static void a_block_that_cannot_be_read_fails_the_write(void **state)
{
	static unsigned char data[8192];
	struct exported *e = served(4096);
	int fd = transmission(e, false);

	(void)state;
	memset(data, 0x77, sizeof(data));
	e->fail_sector = 3 * 8 + 1;
	put_request(fd, 0, NBD_CMD_WRITE, 1, 3 * 4096 + 1, 100);
	put(fd, data, 100);
	assert_int_equal(simple(fd, 1), NBD_EIO);
	put_request(fd, 0, NBD_CMD_WRITE_ZEROES, 2, 2 * 4096, 4096 + 1);
	assert_int_equal(simple(fd, 2), NBD_EIO);
	memset(model + 2 * 4096, 0, 4096); /* a command may take place in part */
	put_request(fd, 0, NBD_CMD_WRITE, 3, 3 * 4096, 8192);
	put(fd, data, 8192);
	assert_int_equal(simple(fd, 3), 0);
	memcpy(model + 3 * 4096, data, 8192);
	close(fd);
	end(e);
}

/* A client that sends the head of such a write and then nothing keeps nobody waiting. */
static void a_write_that_never_comes_blocks_nobody(void **state)
{
	static unsigned char data[512];
	struct exported *e = served(4096);
	int rude = transmission(e, false), fd = transmission(e, false);

	(void)state;
	put_request(rude, 0, NBD_CMD_WRITE, 1, 512, 1024);
	put(rude, data, 100);
	memset(data, 0x44, sizeof(data));
	put_request(fd, 0, NBD_CMD_WRITE, 2, 1024, 512);
	put(fd, data, 512);
	assert_int_equal(simple(fd, 2), 0);
	memcpy(model + 1024, data, 512);
	close(rude);
	close(fd);
	end(e);
}

/* Far more than are done at a time, on few blocks, from clients that vanish in between; then
 * the device goes away: all of them are answered. */
static void many_wait_and_none_is_forgotten(void **state)
{
	static unsigned char data[100];
	struct exported *e = served(4096);

	(void)state;
	for (int round = 0; round < 20; round++) {
		int fd[4];

		e->hold = 1;
		for (int c = 0; c < 4; c++) {
			fd[c] = transmission(e, false);
			for (uint64_t i = 0; i < 120; i++) {
				put_request(fd[c], 0, i % 3 ? NBD_CMD_WRITE : NBD_CMD_READ, i,
					    i % 7 * 4096 + 5, 100);
				if (i % 3)
					put(fd[c], data, 100);
			}
		}
		if (round & 1)
			close(fd[2]);
		e->hold = 0;
		for (int c = 0; c < 4; c++) {
			for (int i = 0; i < 120 && !(c == 2 && round & 1); i++) {
				unsigned char head[16];

				get(fd[c], head, sizeof(head));
				assert_int_equal(be32_get(head + 4), 0);
				if (be64_get(head + 8) % 3 == 0)
					get(fd[c], data, 100);
			}
			if (!(c == 2 && round & 1))
				close(fd[c]);
		}
	}
	int fd = transmission(e, false);
	e->hold = 1;
	for (uint64_t i = 0; i < 100; i++) {
		put_request(fd, 0, NBD_CMD_WRITE, i, i % 7 * 4096 + 5, 100);
		put(fd, data, 100);
	}
	rig_send(&e->rig, RF_SVC_GONE, 0);
	for (int i = 0; i < 100; i++) {
		unsigned char head[16];

		get(fd, head, sizeof(head));
		assert_int_equal(be32_get(head + 4), NBD_EIO);
	}
	close(fd);
	assert_int_equal(exported_end(e), 0);
	free(e);
}

int main(void)
{
	const char *given = getenv("SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_anywhere_on_blocks_of_4_kib),
		cmocka_unit_test(anything_anywhere_on_blocks_of_512),
		cmocka_unit_test(anything_anywhere_while_drivers_die),
		cmocka_unit_test(anything_anywhere_with_integrity_memory),
		cmocka_unit_test(neighbours_in_a_block_lose_nothing),
		cmocka_unit_test(a_block_that_cannot_be_read_fails_the_write),
		cmocka_unit_test(a_write_that_never_comes_blocks_nobody),
		cmocka_unit_test(many_wait_and_none_is_forgotten),
	};

	seed = given ? (uint32_t)strtoul(given, NULL, 0) : (uint32_t)getpid();
	print_message("# SEED=%u\n", seed);
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
