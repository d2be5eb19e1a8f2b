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

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "boot.h"
#include "net.h"
#include "net_types.h"
#include "rt.h"
#include "rt_net.h"

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

/* Frames handed over by one send(): the descriptor after the last one, and how many, the
 * upper half. One word: it is stored and loaded at once. */
#define INTEL_BATCH(end, records) ((uint64_t)(records) << 32 | (end))
#define INTEL_BATCH_END(batch)     ((uint32_t)(batch))
#define INTEL_BATCH_RECORDS(batch) ((uint32_t)((batch) >> 32))

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
	uint64_t  batch[RF_NET_DEPTH]; /* under way */
};

/* Queue 0 of each kind: what a driver of such a device begins with. */
struct intel_queues {
	struct intel_rx rx;
	struct intel_tx tx;
	uint64_t arena_iova;
	struct rf_doorbell bell;
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

/* Empty buffers: the first word leads to the buffer, the second is 0 since it was taken. */
static inline void intel_refill(struct intel_rx *rx, uint64_t iova, const uint32_t *free,
				uint32_t at, unsigned n)
{
	struct intel_desc *ring = rx->ring;
	uint32_t tail = rx->tail, mask = rx->mask;

	for (uint32_t end = at + n; at != end; at++, tail++)
		ring[tail & mask].word[0] = iova + (uint64_t)*RF_NET_SLOT(free, at) * RF_NET_UNIT;
	rx->tail = tail;
}

/* Is the oldest descriptor the device has filled in? `done` is the bit that tells. */
static inline bool intel_rx_pending(const struct intel_rx *rx, uint64_t done)
{
	return intel_look(&rx->ring[rx->next & rx->mask]) & done;
}

/* Makes a record of what a descriptor says; its second word is `word`, and `index` the
 * number of the buffer's record in the free ring. */
typedef void intel_take(void *dev, const struct intel_desc *, uint32_t index, uint64_t word,
			struct rf_net_frame *record);

/*
 * receive() of the table. A word that was taken is no longer "done": so none behind the
 * tail is, and the device fills in no others.
 */
static inline __attribute__((always_inline)) unsigned
intel_ring_receive(struct intel_queues *q, struct rf_net_frame *rx, uint32_t at, uint64_t done,
		   intel_take *take)
{
	struct intel_desc *ring = q->rx.ring;
	uint32_t next = q->rx.next, first = next, mask = q->rx.mask;
	struct intel_desc *desc = &ring[next & mask];
	uint64_t word = intel_look(desc);

	if (!(word & done))
		return 0;
	do {
		desc->word[1] = 0;
		take(q, desc, next++, word, RF_NET_SLOT(rx, at++));
		desc = &ring[next & mask];
		word = intel_look(desc);
	} while (word & done && next - first < RF_NET_BATCH);
	q->rx.next = next;
	return next - first;
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
static inline unsigned intel_parts(const struct rf_net_frame *frames, uint32_t at, unsigned n,
				   unsigned *pieces, uint32_t *bytes)
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
static inline void intel_put_parts(struct intel_tx *tx, uint64_t arena_iova,
				   const struct rf_net_frame *frames, uint32_t at, unsigned parts,
				   uint64_t bits)
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
	tx->batch[tx->batch_tail++ & (RF_NET_DEPTH - 1)] = INTEL_BATCH(tx->tail, records);
}

/* Is the oldest batch done? */
static inline bool intel_batch_done(const struct intel_tx *tx)
{
	uint32_t end = INTEL_BATCH_END(tx->batch[tx->batch_head & (RF_NET_DEPTH - 1)]);

	return tx->batch_head != tx->batch_tail &&
	       intel_look(&tx->ring[(end - 1) & tx->mask]) & INTEL_TXD_DD;
}

/* What of a frame with offloads all its data descriptors have in word 1; puts a context ahead
 * of them where one is needed. */
typedef uint64_t intel_describe(struct intel_tx *, const struct rf_net_frame *, uint32_t bytes);

/* A frame with offloads or in parts. Records taken; 0: not all there, or no room. */
static inline unsigned intel_send_slow(struct intel_queues *q, const struct rf_net_frame *tx,
				       uint32_t at, unsigned n, intel_describe *describe)
{
	uint32_t bytes;
	unsigned pieces, parts = intel_parts(tx, at, n, &pieces, &bytes);

	if (!parts || pieces + 1 > intel_room(&q->tx))
		return 0;
	intel_put_parts(&q->tx, q->arena_iova, tx, at, parts,
			describe(&q->tx, RF_NET_SLOT(tx, at), bytes));
	return parts;
}

/* Plain frames from `at` on, one descriptor each, until one is not plain. Word 1 is `bits`
 * and the length, once in each place `places` has a bit. */
static inline uint32_t intel_send_plain(struct intel_queues *q, const struct rf_net_frame *tx,
					uint32_t at, uint32_t end, uint64_t bits, uint64_t places)
{
	struct intel_desc *ring = q->tx.ring;
	uint32_t tail = q->tx.tail, mask = q->tx.mask;
	uint64_t iova = q->arena_iova;

	for (; at != end; at++, tail++) {
		struct intel_desc *desc = &ring[tail & mask];
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		desc->word[0] = iova + (low & 0xffffffff) * RF_NET_UNIT;
		desc->word[1] = (low >> 32) * places | bits;
	}
	q->tx.tail = tail;
	return at;
}

/* Frames from `at` on of which some are not plain, or for which there is no room. Where the
 * first one is that was not taken. */
static inline uint32_t intel_send_mixed(struct intel_queues *q, const struct rf_net_frame *tx,
					uint32_t at, uint32_t end, uint64_t bits, uint64_t places,
					intel_describe *describe)
{
	for (;;) {
		uint32_t room = intel_room(&q->tx);
		at = intel_send_plain(q, tx, at, end - at > room ? at + room : end, bits, places);
		if (at == end)
			return at;
		unsigned taken = intel_send_slow(q, tx, at, end - at, describe);
		if (!taken)
			return at;
		at += taken;
	}
}

/* send() of the table: `mixed` is the driver's intel_send_mixed(). */
static inline __attribute__((always_inline)) unsigned intel_send(
	struct intel_queues *q, const struct rf_net_frame *tx, uint32_t at, unsigned n,
	uint64_t bits, uint64_t places,
	uint32_t (*mixed)(struct intel_queues *, const struct rf_net_frame *, uint32_t, uint32_t))
{
	uint32_t first = at, end = at + n;

	if (RF_LIKELY(n <= intel_room(&q->tx)))
		at = intel_send_plain(q, tx, at, end, bits, places);
	if (RF_UNLIKELY(at != end))
		at = mixed(q, tx, at, end);
	if (RF_LIKELY(at != first))
		intel_batch_end(&q->tx, at - first);
	return at - first;
}

/* ---- both: the table's functions, of a driver whose state begins with its queues ------- */

/* Mostly the last batch is done, and then all are. */
static unsigned intel_reap(void *dev, unsigned under_way)
{
	struct intel_tx *tx = &((struct intel_queues *)dev)->tx;
	unsigned records = 0;

	if (RF_LIKELY(intel_look(&tx->ring[(tx->tail - 1) & tx->mask]) & INTEL_TXD_DD)) {
		tx->batch_head = tx->batch_tail;
		tx->clean = tx->tail;
		return under_way;
	}
	while (intel_batch_done(tx)) {
		uint64_t batch = tx->batch[tx->batch_head++ & (RF_NET_DEPTH - 1)];
		records += INTEL_BATCH_RECORDS(batch);
		tx->clean = INTEL_BATCH_END(batch);
	}
	return records;
}

static void intel_commit(void *dev)
{
	struct intel_queues *q = dev;

	if (q->rx.rung != q->rx.tail) {
		q->rx.rung = q->rx.tail;
		rf_mmio_write32(q->rx.tail_register, q->rx.tail & q->rx.mask);
	}
	if (q->tx.rung != q->tx.tail) {
		q->tx.rung = q->tx.tail;
		rf_mmio_write32(q->tx.tail_register, q->tx.tail & q->tx.mask);
	}
	rf_doorbell_kick(&q->bell, RF_ASLEEP);
}

#endif
