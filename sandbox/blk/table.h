/* SPDX-License-Identifier: MIT */
/*
 * table.h - the in-flight table: what the disk owes its clients right now.
 *
 * Room:   sandbox/blk, trusted. Lies in the memfd RF_EXPORT_FD_TABLE, which the
 *         keeper holds; no driver ever has it mapped.
 * Layout: one page of struct rf_table_head, then RF_BLK_DEPTH entries of one cache line
 *         each for each queue. The export enlarges a memfd that is shorter.
 * Writer: the one export process. An entry is in flight as soon as `state` says so:
 *         it is the last field written, and the first one cleared.
 * Tag:    index of the entry among those of its queue | 0x8000 | serial << 16. The serial moves
 *         on with every issue, so that the tag of an answered or reissued request matches nothing
 *         any more (until 65,535 later uses of the same entry).
 * Death:  an export may die between any two instructions, and its successor takes the
 *         table over as it then is. Entries are counted, said in the log, and dropped once
 *         the device is quiet: nothing in them was acknowledged, and a client that connects
 *         again sends again what it had no answer for (SEMANTICS.md says why that is
 *         enough). What was acknowledged is in the head: it says of which promises a lost
 *         write cache would have to be told, and of which that was lost clients were not
 *         told yet. Each of its fields is stored by itself, in an order in which every
 *         state in between promises more, never less.
 */
#ifndef RF_TABLE_H
#define RF_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "export_config.h"
#include "identity.h"

struct rf_io;

#define RF_TABLE_MAGIC   0x656c626174636672ull
#define RF_TABLE_VERSION 3u

enum rf_table_state {
	RF_ENTRY_FREE = 0,
	RF_ENTRY_FLIGHT, /* in the ring of `generation`, or taken out of it by the driver */
	RF_ENTRY_REDO,   /* to be reissued; in no ring now */
};

#define RF_TAG_LIVE        0x8000u /* in every tag, so that 0 is none */
#define RF_TAG_INDEX(tag)  (((tag) & 0xffffu) ^ RF_TAG_LIVE) /* may be >= RF_BLK_DEPTH */
#define RF_TAG_NEXT_SERIAL 0x10000u

struct rf_table_entry {
	_Alignas(64) struct rf_blk_req req; /* as told to the driver; tag 0: no answer expected */
	uint8_t  state;    /* enum rf_table_state */
	uint8_t  mark;     /* RF_MARK_* */
	uint16_t attempts; /* times it was reissued */
	uint32_t next_tag;
	uint64_t seq; /* order of submission */
	uint64_t io;  /* the export's rf_io: means something in that process only */
};
_Static_assert(sizeof(struct rf_table_entry) == 64, "one entry is one cache line");

static inline struct rf_io *rf_entry_io(const struct rf_table_entry *e)
{
	return (struct rf_io *)(uintptr_t)e->io;
}

/* rf_table_entry.mark */
#define RF_MARK_LOST   0x01u /* flush: a cache was lost under it, it fails */
#define RF_MARK_DIED   0x02u /* was in flight when a driver died */
#define RF_MARK_POISON 0x04u /* fails as soon as the device is quiet */
#define RF_MARK_TIMED  0x08u /* its answer is counted in a histogram, see latency.h */

struct rf_table_head {
	_Atomic uint64_t magic; /* of a table whose other fields are there */
	uint32_t version;
	uint32_t depth; /* entries, of all queues */
	uint32_t entry_bytes;
	uint32_t generation;
	_Atomic uint32_t unflushed; /* a write was acknowledged that only a flush makes safe */
	_Atomic uint32_t loss_pending; /* such a write was lost, and no flush has said so yet */
	_Atomic uint32_t unreported;   /* likewise, and so many clients may not have been told */
	_Atomic uint32_t losses;       /* rf_stats_device.losses that all this takes into account */
	struct rf_identity disk; /* whose promises these are; half of a name is another disk's */
};

struct rf_table {
	struct rf_table_head  head;
	_Alignas(4096) struct rf_table_entry entry[RF_MAX_QUEUES * RF_BLK_DEPTH];
};
#define RF_TABLE_USED(queues) \
	(offsetof(struct rf_table, entry) + \
	 (size_t)(queues) * RF_BLK_DEPTH * sizeof(struct rf_table_entry))
_Static_assert(offsetof(struct rf_table, entry) == 4096, "entries start on their own page");
_Static_assert(RF_TABLE_USED(1) % 4096 == 0, "whole pages");
_Static_assert(RF_TABLE_USED(RF_MAX_QUEUES) <= RF_TABLE_BYTES, "all queues' fit");

#endif
