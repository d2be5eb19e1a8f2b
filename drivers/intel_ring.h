/* SPDX-License-Identifier: MIT */
/*
 * intel_ring.h - descriptor rings as Intel's 82574 and 82576 have them: 16 bytes a
 * descriptor, a tail register, "done" reported where it was asked for.
 *
 * Room:   drivers, untrusted.
 * Sent:   the device reports the last descriptor of a batch only (RS); what lies before
 *         it is done too, because it fetches and reports in order.
 */
#ifndef RF_INTEL_RING_H
#define RF_INTEL_RING_H

#include "net.h"

/* Off the path of plain frames: not inlined into it. */
#define INTEL_SLOW __attribute__((noinline))
/* Longest piece of a frame one descriptor describes: well below the transmit FIFO. */
#define INTEL_PIECE_SHIFT 13
#define INTEL_PIECE       (1u << INTEL_PIECE_SHIFT)
/* Both devices: word 1 of a transmit descriptor. */
#define INTEL_TXD_EOP (1ull << 24)
#define INTEL_TXD_RS  (1ull << 27)
#define INTEL_TXD_DD  (1ull << 32)

struct intel_desc {
	uint64_t word[2];
};

/* Frames handed over by one send(): the descriptor after the last one, and how many. */
struct intel_batch {
	uint32_t end, records;
};

/* Counters run freely; the mask makes them places in a ring. */
struct intel_rx {
	struct intel_desc *ring;
	uint32_t *tail_register;
	uint32_t  mask, next, tail, rung;
};

struct intel_tx {
	struct intel_desc *ring;
	uint32_t *tail_register;
	uint32_t  mask, tail, rung, clean;
	uint32_t  batch_head, batch_tail;
	uint64_t  context[2]; /* as the device has it; 0: none yet */
	struct intel_batch batch[RF_NET_DEPTH]; /* under way */
};

static inline bool intel_entries_valid(uint64_t entries, uint64_t least, uint64_t most)
{
	return entries >= least && entries <= most && !(entries & (entries - 1));
}

static inline uint64_t intel_look(const struct intel_desc *desc)
{
	return __atomic_load_n(&desc->word[1], __ATOMIC_ACQUIRE);
}

static inline void intel_record(struct rf_net_frame *record, uint64_t low, uint64_t high)
{
	memcpy(record, &low, 8);
	memcpy((char *)record + 8, &high, 8);
}

/* at, length and flags of a frame's record; the rest is the other half. */
static inline uint64_t intel_record_low(uint32_t at, uint32_t length, uint32_t flags)
{
	return at | (uint64_t)length << 32 | (uint64_t)flags << 48;
}

/* Empty buffers: the first word leads to the buffer, the second is not "done". */
static inline void intel_refill(struct intel_rx *rx, uint64_t iova, const uint32_t *free, uint32_t at,
				unsigned n)
{
	struct intel_desc *ring = rx->ring;
	uint32_t tail = rx->tail, mask = rx->mask;

	for (uint32_t end = at + n; at != end; at++, tail++) {
		struct intel_desc *desc = &ring[tail & mask];

		desc->word[0] = iova + (uint64_t)*RF_NET_SLOT(free, at) * RF_NET_UNIT;
		desc->word[1] = 0;
	}
	rx->tail = tail;
}

/* Where a batch that begins at `next` ends at the latest: what lies behind the tail was
 * not given to the device yet, and may still say "done" from the last time round. */
static inline uint32_t intel_rx_end(const struct intel_rx *rx)
{
	uint32_t given = rx->tail - rx->next;

	return rx->next + (given < RF_NET_BATCH ? given : RF_NET_BATCH);
}

/* ---- sending -------------------------------------------------------------------------- */

/* Descriptors there is room for: one stays unused, since head = tail is the empty ring. */
static inline uint32_t intel_room(const struct intel_tx *tx)
{
	return tx->mask - (tx->tail - tx->clean);
}

static inline void intel_put(struct intel_tx *tx, uint64_t word0, uint64_t word1)
{
	struct intel_desc *desc = &tx->ring[tx->tail++ & tx->mask];

	desc->word[0] = word0;
	desc->word[1] = word1;
}

/* Records of the frame that begins at `at`, and descriptors its data needs; 0 records if
 * it is not all there. */
static inline unsigned intel_parts(const struct rf_net_frame *frames, uint32_t at, unsigned n, unsigned *pieces,
				   uint32_t *bytes)
{
	*pieces = *bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct rf_net_frame *part = RF_NET_SLOT(frames, at + i);

		*pieces += (part->length + INTEL_PIECE - 1) >> INTEL_PIECE_SHIFT;
		*bytes += part->length;
		if (!(part->flags & RF_NET_MORE))
			return i + 1;
	}
	return 0;
}

/* The data of a frame's parts, with the same bits in all descriptors. */
static inline void intel_put_parts(struct intel_tx *tx, uint64_t arena_iova, const struct rf_net_frame *frames,
				   uint32_t at, unsigned parts, uint64_t bits)
{
	for (unsigned i = 0; i < parts; i++) {
		const struct rf_net_frame *part = RF_NET_SLOT(frames, at + i);
		uint64_t iova = arena_iova + (uint64_t)part->at * RF_NET_UNIT;

		for (uint32_t done = 0, piece; done < part->length; done += piece) {
			piece = part->length - done;
			if (piece > INTEL_PIECE)
				piece = INTEL_PIECE;
			intel_put(tx, iova + done, bits | piece);
		}
	}
	tx->ring[(tx->tail - 1) & tx->mask].word[1] |= INTEL_TXD_EOP;
}

/* A context descriptor, if it is not the one the device has. */
static inline void intel_put_context(struct intel_tx *tx, uint64_t word0, uint64_t word1)
{
	if (tx->context[0] == word0 && tx->context[1] == word1)
		return;
	tx->context[0] = word0;
	tx->context[1] = word1;
	intel_put(tx, word0, word1);
}

/* After the last frame of a send() that handed over `records`: report this one. */
static inline void intel_batch_end(struct intel_tx *tx, unsigned records)
{
	tx->ring[(tx->tail - 1) & tx->mask].word[1] |= INTEL_TXD_RS;
	tx->batch[tx->batch_tail++ & (RF_NET_DEPTH - 1)] =
		(struct intel_batch){ .end = tx->tail, .records = records };
}

/* Is the oldest batch done? */
static inline bool intel_batch_done(const struct intel_tx *tx)
{
	const struct intel_batch *batch = &tx->batch[tx->batch_head & (RF_NET_DEPTH - 1)];

	return tx->batch_head != tx->batch_tail &&
	       intel_look(&tx->ring[(batch->end - 1) & tx->mask]) & INTEL_TXD_DD;
}

static inline unsigned intel_reap(struct intel_tx *tx)
{
	unsigned records = 0;

	while (intel_batch_done(tx)) {
		const struct intel_batch *batch = &tx->batch[tx->batch_head++ & (RF_NET_DEPTH - 1)];
		records += batch->records;
		tx->clean = batch->end;
	}
	return records;
}

static inline void intel_commit(struct intel_rx *rx, struct intel_tx *tx)
{
	if (rx->rung != rx->tail) {
		rx->rung = rx->tail;
		rf_mmio_write32(rx->tail_register, rx->tail & rx->mask);
	}
	if (tx->rung != tx->tail) {
		tx->rung = tx->tail;
		rf_mmio_write32(tx->tail_register, tx->tail & tx->mask);
	}
}

#endif
