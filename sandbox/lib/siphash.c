/* SPDX-License-Identifier: MIT */
/* siphash.c - see siphash.h. Room: sandbox/lib, trusted. */
#include "siphash.h"

#include <string.h>

struct sip_state {
	uint64_t a, b, c, d; /* v0 to v3 */
};

static inline uint64_t sip_turn(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_rounds(struct sip_state *v, unsigned count)
{
	while (count--) {
		v->a += v->b;
		v->c += v->d;
		v->b = sip_turn(v->b, 13) ^ v->a;
		v->d = sip_turn(v->d, 16) ^ v->c;
		v->a = sip_turn(v->a, 32);
		v->c += v->b;
		v->a += v->d;
		v->b = sip_turn(v->b, 17) ^ v->c;
		v->d = sip_turn(v->d, 21) ^ v->a;
		v->c = sip_turn(v->c, 32);
	}
}

static inline void sip_take(struct sip_state *v, uint64_t word)
{
	v->d ^= word;
	sip_rounds(v, 2);
	v->a ^= word;
}

static inline struct sip_state sip_start(const uint64_t key[2])
{
	return (struct sip_state){ key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
				   key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };
}

/* Takes the words at `at`, after `before` other words, and returns the hash. */
static inline uint64_t sip_end(struct sip_state *v, const char *at, uint32_t words, uint32_t before)
{
	for (uint32_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, at + 8ull * i, 8);
		sip_take(v, word);
	}
	sip_take(v, 8ull * (words + before) << 56); /* the last word: no bytes left, the length */
	v->c ^= 0xff;
	sip_rounds(v, 4);
	return v->a ^ v->b ^ v->c ^ v->d;
}

uint64_t rf_siphash(const uint64_t key[2], uint64_t first, const void *data, uint32_t words)
{
	struct sip_state v = sip_start(key);

	sip_take(&v, first);
	return sip_end(&v, data, words, 1);
}

uint64_t rf_siphash_pair(const uint64_t key[2], uint64_t first, uint64_t second, const void *data,
			 uint32_t words)
{
	struct sip_state v = sip_start(key);

	sip_take(&v, first);
	sip_take(&v, second);
	return sip_end(&v, data, words, 2);
}
