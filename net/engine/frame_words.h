/* SPDX-License-Identifier: MIT */
/*
 * frame_words.h - a record of a frame as two words, as rings hold it.
 *
 * Room:   net/engine, trusted. One fetch or store a word: a record that is looked at in words was
 *         read once.
 */
#ifndef RF_FRAME_WORDS_H
#define RF_FRAME_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"
#include "net_types.h"

#define ETH_BYTES 14u

typedef uint64_t __attribute__((may_alias)) word_t;

/* What rf_net_frame says, field by field. */
#define WORD_LENGTH(w) ((uint32_t)((w) >> 32) & 0xffffu)
#define WORD_META(w)   ((uint32_t)((w) >> 48))
#define META_PLAIN     ((uint32_t)RF_NET_CSUM_OK)
_Static_assert(offsetof(struct rf_net_frame, length) == 4 &&
		       offsetof(struct rf_net_frame, flags) == 6 &&
		       offsetof(struct rf_net_frame, gso) == 7, "the WORD_ macros rely on it");

static inline uint32_t frame_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline void frame_put(struct rf_net_frame *at, uint64_t first, uint64_t second)
{
	volatile word_t *word = (word_t *)at;

	word[0] = first;
	word[1] = second;
}

#endif
