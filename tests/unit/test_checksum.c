/* SPDX-License-Identifier: MIT */
/*
 * test_checksum.c - the stack's checksum against the definition, word by word.
 *
 * Room:   tests/unit. Buffers end at a page that cannot be touched: the sums are written
 *         in assembler, which ASan does not see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "net/export/lwip/checksum.c"

#define ROOM (1u << 17)
#define PAGE 4096u

static uint8_t *source, *target; /* ends of their rooms */
static uint32_t state;

static uint8_t random_byte(void)
{
	state = state * 1664525 + 1013904223;
	return (uint8_t)(state >> 24);
}

static uint8_t *guarded(void)
{
	uint8_t *at =
		mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at + ROOM, PAGE, PROT_NONE), 0);
	return at + ROOM;
}

/* RFC 1071: sum of 16-bit words, first byte low as on this machine, carries added in. */
static uint16_t by_definition(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* 0 and 0xffff are the same number in this arithmetic; zero comes of zeroes only. */
static void same(uint16_t got, uint16_t want, const char *what, size_t n, unsigned from,
		 unsigned to)
{
	if (got != want && !(got % 0xffff == 0 && want % 0xffff == 0))
		fail_msg("%s: 0x%04x where 0x%04x is due, %zu bytes, offsets %u and %u", what, got,
			 want, n, from, to);
}

static void try(size_t n, unsigned off_from, unsigned off_to)
{
	uint8_t *from = source - n - off_from, *to = target - n - off_to;
	uint16_t want = by_definition(from, n);

	same(rf_checksum(from, (int)n), want, "sum", n, off_from, off_to);
	if (n > 0xffff)
		return;
	for (size_t i = 0; i < n + off_to; i++)
		to[i] = 0x5a;
	to[-1] = 0xa5;
	same(rf_checksum_copy(to, from, (uint16_t)n), want, "copy", n, off_from, off_to);
	assert_int_equal(to[-1], 0xa5);
	for (unsigned i = 0; i < off_to; i++)
		assert_int_equal(to[n + i], 0x5a);
	if (n)
		assert_memory_equal(from, to, n);
}

static void example_of_the_rfc(void **unused)
{
	static const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)unused;
	assert_int_equal(rf_checksum(data, 8), __builtin_bswap16(0xddf2));
	assert_int_equal(rf_checksum(data, 0), 0);
}

static void every_length_and_alignment(void **unused)
{
	(void)unused;
	for (size_t n = 0; n <= 200; n++)
		for (unsigned from = 0; from < 9; from++)
			for (unsigned to = 0; to < 9; to++)
				try(n, from, to);
}

static void long_ones(void **unused)
{
	static const size_t length[] = {
		1459, 1460, 1461, 1500, 9000, 65534, 65535, 65536, 100001
	};

	(void)unused;
	for (unsigned i = 0; i < sizeof(length) / sizeof(*length); i++)
		for (unsigned from = 0; from < 9; from++)
			try(length[i], from, (from * 5) % 9);
}

static void all_ones(void **unused)
{
	(void)unused;
	memset(source - ROOM, 0xff, ROOM);
	for (size_t n = 0; n <= 300; n++)
		try(n, n % 3, n % 5);
	try(100000, 1, 0);
	for (uint8_t *p = source - ROOM; p < source; p++)
		*p = random_byte();
}

/* Can the comparison fail at all? One changed bit must show. */
static void a_flipped_bit_shows(void **unused)
{
	uint8_t *from = source - 1460;

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		uint16_t before = rf_checksum(from, 1460);
		uint32_t at = (uint32_t)(random_byte() << 8 | random_byte()) % 1460;
		uint8_t bit = (uint8_t)(1 << random_byte() % 8);

		from[at] ^= bit;
		assert_int_not_equal(rf_checksum(from, 1460), before);
		from[at] ^= bit;
	}
}

int main(void)
{
	const char *seed = getenv("SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_of_the_rfc),
		cmocka_unit_test(every_length_and_alignment),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(all_ones),
		cmocka_unit_test(a_flipped_bit_shows),
	};

	state = seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)time(NULL);
	print_message("# SEED=%u\n", state);
	source = guarded();
	target = guarded();
	for (uint8_t *p = source - ROOM; p < source; p++)
		*p = random_byte();
	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
