/* SPDX-License-Identifier: MIT */
/*
 * pattern.c - what a block holds after a given write: a stream of words out of seed,
 * block and serial, so that a lost, misplaced, torn or late write shows.
 *
 * Room:   tests/load.
 */
#include <string.h>

#include "load.h"

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ull;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dull;
	return x ^ x >> 33;
}

static uint64_t pattern_start(uint64_t seed, uint64_t block, uint32_t serial)
{
	return mix(seed ^ mix(block + 1) ^ mix((uint64_t)serial << 32 | 0x5eed));
}

void load_pattern_fill(void *at, uint32_t bytes, uint64_t seed, uint64_t block, uint32_t serial)
{
	uint64_t word = pattern_start(seed, block, serial);

	for (uint32_t i = 0; i < bytes; i += 8) {
		memcpy((char *)at + i, &word, 8);
		word = word * 6364136223846793005ull + 1442695040888963407ull;
	}
}

bool load_pattern_check(const void *at, uint32_t bytes, uint64_t seed, uint64_t block,
			uint32_t serial)
{
	uint64_t word = pattern_start(seed, block, serial);

	for (uint32_t i = 0; i < bytes; i += 8) {
		if (memcmp((const char *)at + i, &word, 8))
			return false;
		word = word * 6364136223846793005ull + 1442695040888963407ull;
	}
	return true;
}
