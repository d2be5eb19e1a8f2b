/* SPDX-License-Identifier: MIT */
/*
 * siphash.h - SipHash-2-4 with 64 bits of result (Aumasson and Bernstein, 2012).
 *
 * Room:   sandbox/lib, trusted. A keyed hash: who does not know the key and never sees
 *         a result finds no second message with the same one but by luck, 1 in 2^64 a try.
 */
#ifndef RF_SIPHASH_H
#define RF_SIPHASH_H

#include <stdint.h>

/* Of `first`, little-endian, and the `words` words behind it. */
uint64_t rf_siphash(const uint64_t key[2], uint64_t first, const void *data, uint32_t words);
/* Of two words and those behind them. */
uint64_t rf_siphash_pair(const uint64_t key[2], uint64_t first, uint64_t second, const void *data,
			 uint32_t words);

#endif
