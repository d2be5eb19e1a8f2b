/* SPDX-License-Identifier: MIT */
/*
 * order.h - who must wait for whom: requests that overlap an older write.
 *
 * Room:   sandbox/blk, trusted.
 * Rule:   a request waits while it overlaps an older write, discard or zero that has
 *         not been answered. Reads make nobody wait: a read that is reissued after a
 *         later write simply sees it, which a client that sent both at once must
 *         expect anyhow. A filter that has to know what a read must find keeps such order itself.
 * Order:  by sequence number. A request only ever waits for older ones, so the oldest
 *         of them can always go: no deadlock, and nobody is overtaken for ever.
 * Cost:   two instructions while nothing is being written; then a filter that counts
 *         pending writes by hashed 64 KiB extent; the exact list only on a hit there.
 */
#ifndef RF_ORDER_H
#define RF_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "blk_io.h"
#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "ringfence.h"

/* Owners: entries of the table, of all queues, and behind them what is held. */
#define RF_ORDER_HELD    (RF_MAX_QUEUES * RF_BLK_DEPTH)
#define RF_ORDER_OWNERS  (RF_ORDER_HELD + RF_DEFERRED_MAX)
#define RF_ORDER_SHIFT   16u   /* extent of the filter */
#define RF_ORDER_BUCKETS 1024u
#define RF_ORDER_WIDE    32u   /* more extents than this: exact list at once */

/* A pending write, discard or zero: in the table, or held. */
struct rf_writer {
	uint64_t start, end, seq;
	uint32_t owner; /* table index, or RF_ORDER_HELD + held index */
};

struct rf_deferred {
	struct rf_io *io;
	uint64_t      seq;
};

struct rf_order {
	uint32_t         writers; /* in list[] */
	uint32_t         wide;    /* of these, too wide for the filter */
	uint64_t         held;    /* bit set of held[] that wait */
	uint64_t         ready;   /* bit set of held[] that may go */
	uint16_t         filter[RF_ORDER_BUCKETS];
	uint16_t         where[RF_ORDER_OWNERS]; /* index in list[] by owner */
	struct rf_writer list[RF_ORDER_OWNERS];
	struct rf_deferred slot[RF_DEFERRED_MAX];
};

/* Do later requests wait for this one where they overlap it? */
static inline bool rf_op_writes(uint8_t op)
{
	return op == RF_BLK_WRITE || op == RF_BLK_DISCARD || op == RF_BLK_ZERO;
}

static inline uint32_t rf_order_hash(uint64_t extent)
{
	return (uint32_t)((extent * 0x9e3779b97f4a7c15ull) >> 54);
}

/* Does [start, end) overlap a pending write older than seq? */
bool rf_order_conflict(const struct rf_order *, uint64_t start, uint64_t end, uint64_t seq);

/* The write now pending under `owner`. */
void rf_order_add(struct rf_order *, uint32_t owner, uint64_t start, uint64_t end, uint64_t seq);
/* It changes hands: from held to table. */
void rf_order_move(struct rf_order *, uint32_t from, uint32_t to);
/* It was answered: whom it kept waiting becomes ready. */
void rf_order_remove(struct rf_order *, uint32_t owner);

/* Keeps a request back. False: no room. */
bool rf_order_defer(struct rf_order *, struct rf_io *, uint64_t seq);

#endif
