/* SPDX-License-Identifier: MIT */
/*
 * test_partition.c - partition tables, right and wrong ones. (fuzz_partition.c for the rest)
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "sandbox/export/nbd/partition.c"

#define BLOCK 512u
#define TABLE (34u * BLOCK)

static const struct rf_blk_info disk = { .size = 64 << 20, .block_size = BLOCK };
static unsigned char data[TABLE];
static uint64_t first, size;
static const char *why;

static void put(size_t at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		data[at + i] = (unsigned char)(value >> 8 * i);
}

static void make_mbr(unsigned type, uint32_t begin, uint32_t count)
{
	memset(data, 0, sizeof(data));
	data[MBR_TABLE + 4] = (unsigned char)type;
	put(MBR_TABLE + 8, begin, 4);
	put(MBR_TABLE + 12, count, 4);
	put(510, 0xaa55, 2);
}

static void sign(void)
{
	put(BLOCK + 88, crc32(data + 2 * BLOCK, 128 * 128, 0, 0), 4);
	put(BLOCK + 16, crc32(data + BLOCK, GPT_HEADER, 16, 4), 4);
}

static void make_gpt(uint64_t begin, uint64_t last)
{
	make_mbr(MBR_GPT, 1, ~0u);
	put(BLOCK, GPT_MAGIC, 8);
	put(BLOCK + 12, GPT_HEADER, 4);
	put(BLOCK + 72, 2, 8);
	put(BLOCK + 80, 128, 4);
	put(BLOCK + 84, GPT_ENTRY, 4);
	for (int i = 0; i < 16; i++)
		data[2 * BLOCK + GPT_ENTRY + i] = 7; /* partition 2 */
	put(2 * BLOCK + GPT_ENTRY + 32, begin, 8);
	put(2 * BLOCK + GPT_ENTRY + 40, last, 8);
	sign();
}

static int find(unsigned number)
{
	why = NULL;
	first = size = ~0ull;
	return nbd_partition_find(data, sizeof(data), &disk, number, &first, &size, &why);
}

static void of_an_mbr(void **unused)
{
	(void)unused;
	make_mbr(0x83, 2048, 1000);
	assert_int_equal(find(1), 0);
	assert_int_equal(first, 2048 * 512);
	assert_int_equal(size, 1000 * 512);
	assert_int_equal(find(2), -ENOENT);
	assert_int_equal(find(5), -ENOENT);
	make_mbr(0x83, 2048, (64 << 20) / 512 - 2048);
	assert_int_equal(find(1), 0);
	make_mbr(0x83, 2048, (64 << 20) / 512 - 2047);
	assert_int_equal(find(1), -EPROTO);
	make_mbr(0x83, ~0u, ~0u);
	assert_int_equal(find(1), -EPROTO);
	put(510, 0, 2);
	assert_int_equal(find(1), -ENOENT);
	assert_non_null(why);
}

static void of_a_gpt(void **unused)
{
	(void)unused;
	make_gpt(100, 199);
	assert_int_equal(find(2), 0);
	assert_int_equal(first, 100 * 512);
	assert_int_equal(size, 100 * 512);
	assert_int_equal(find(1), -ENOENT);
	assert_int_equal(find(129), -ENOENT);
	make_gpt(100, 99);
	assert_int_equal(find(2), -EPROTO);
	make_gpt(0, 99);
	assert_int_equal(find(2), -EPROTO);
	make_gpt(100, (64 << 20) / 512);
	assert_int_equal(find(2), -EPROTO);
	make_gpt(1, ~0ull);
	assert_int_equal(find(2), -EPROTO);
}

/* Any damage of header or entries is seen. */
static void damage(void **unused)
{
	(void)unused;
	for (size_t at = BLOCK; at < BLOCK + GPT_HEADER; at++) {
		make_gpt(100, 199);
		data[at] ^= 0x10;
		assert_int_not_equal(find(2), 0);
	}
	for (size_t at = 2 * BLOCK; at < TABLE; at += 37) {
		make_gpt(100, 199);
		data[at] ^= 1;
		assert_int_equal(find(2), -EPROTO);
	}
	/* The same with checksums that fit, so that the sizes themselves are judged. */
	static const struct { size_t at; uint64_t value; int bytes; } bad[] = {
		{ BLOCK + 84, 64, 4 }, { BLOCK + 84, 8192, 4 }, { BLOCK + 80, 0, 4 },
		{ BLOCK + 80, 100000, 4 }, { BLOCK + 72, 0, 8 }, { BLOCK + 72, 3, 8 },
		{ BLOCK + 72, ~0ull, 8 }, { BLOCK + 72, 1ull << 63, 8 },
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		make_gpt(100, 199);
		put(bad[i].at, bad[i].value, bad[i].bytes);
		sign();
		assert_int_equal(find(2), -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_an_mbr),
		cmocka_unit_test(of_a_gpt),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
