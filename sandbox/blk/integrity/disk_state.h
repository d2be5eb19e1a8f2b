/* SPDX-License-Identifier: MIT */
/*
 * disk_state.h - `integrity disk`, an authenticated journal: what a driver returns is what was
 * written there, also after a restart, or it is EIO.
 *
 * Room:   sandbox/blk/integrity, trusted; a store of integrity_store.h, which hands it clients'
 *         requests. All of it is private memory, made at start.
 * Files:  each stands on those before it. disk_layout what lies on the disk; journal_index which
 *         lines of the journal are right; internal_io small requests; tag_table the table in
 *         memory; journal how lines get to the disk; checkpoint from journal to table;
 *         disk_start from disk to memory; disk_store a client's request, told by events of what
 *         happens below. The area itself is made by sandbox/export/format.
 *
 * Protocol. Each write takes place in this order:
 *   1. Its blocks, with the tags they will have, are lines of a journal page. Pages are
 *      written one batch at a time, through the device's cache (FUA, or a flush behind).
 *      What is asked for meanwhile shares the next batch.
 *   2. Only then the data is sent. Its answer makes the new tags the only right ones.
 *   3. When the journal is full, or memory for it: no further writes are let in; those
 *      under way are waited for; flush; the table pages concerned are written; flush; a
 *      superblock says that the journal begins anew. Reads go on.
 * So a block that lies on the disk was announced there before it, and for each block the
 * journal has every version newer than the table's.
 *
 * Power cut. The cache keeps any subset of what was not flushed. Right is, for each block:
 * any of its versions since the last flush that was seen to end well (journal pages say which
 * writes that covers), or else the last one before, or else the table's. Which one it is
 * is found by reading the block, before clients are let in. It is the one version from then
 * on, and the table is written as in step 3. Whatever step a cut falls into, the journal that
 * the valid superblock names is whole, up to a batch that was never answered and whose data
 * was therefore never sent; table sectors may be older than the journal, or as new.
 * The same is done for what a reset made the device forget: a checkpoint is begun at once, and
 * until it is over no journal page calls such writes durable, whatever is flushed: a restart
 * finds the doubt where it was. A read that the loss overtook is done again. Writes that failed
 * are in doubt likewise, old or new of each block, else EIO; the next flush begins the
 * checkpoint.
 *
 * Waits. Whoever waits does so for an answer of the driver, and each answer wakes all that it
 * may have been the last thing for: a batch, the jobs it announced and a checkpoint in DRAIN;
 * a change, the checkpoint; one of the small requests, reads without their page and the
 * checkpoint; the checkpoint's end, those without room. test_integrity_cuts looks after each
 * answer.
 *
 * Discard and zeroing announce that there is nothing in the blocks; they then read as zeroes,
 * whatever the disk says. So does what was never written, unless the disk was adopted.
 *
 * Stale data. While this process lives: a version that is not the last one is EIO, and so is
 * an older page of the table (a number of each page's contents is kept in memory from the
 * first time it is seen). At a start all of the disk may be an older one of itself, with
 * the table to it: nobody can tell without a root kept elsewhere. No root is kept.
 */
#ifndef RF_DISK_STATE_H
#define RF_DISK_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "blk_filter.h"
#include "blk_io.h"
#include "block.h"
#include "disk_layout.h"
#include "integrity_store.h"
#include "log.h"

#define JOURNAL_ENTRIES 65536u       /* journal lines in memory */
#define TAG_SLOTS       2048u        /* table pages in memory */
#define INTERNAL_IOS    32u          /* small requests of our own */
#define JOURNAL_BATCH   8u           /* journal pages written at once */
#define BULK_PAGES      32u          /* pages of the large buffer */
#define LARGEST_REQUEST (256u << 10) /* of a request, so that one batch holds its lines */
_Static_assert(LARGEST_REQUEST / 512 <= (JOURNAL_BATCH - 1) * JOURNAL_LINES,
	       "one batch holds any request");
#define NO_SLOT ~0u

/* ---- journal_index.c: what was announced, and which of it is right ----------------------- */

/* A line of the journal. The newest of a block is right, and no other; unless: */
#define ENTRY_DOUBT  0x1u /* it may not have reached the disk: an older one may be right */
#define ENTRY_DEAD   0x2u /* it did not reach the disk: an older one was found */
#define ENTRY_STABLE 0x4u /* it is on stable media */
struct journal_entry {
	uint64_t block, tag, generation;
	uint32_t older; /* 1 + index of the next one in its bucket */
	uint32_t is;
};

struct journal_index {
	uint32_t             count;
	uint64_t             durable; /* lines of pages up to this one are on stable media */
	struct journal_entry entry[JOURNAL_ENTRIES];
	uint32_t             bucket[JOURNAL_ENTRIES]; /* 1 + index of the newest */
};

void journal_index_clear(struct journal_index *);
/* Appends a line and returns its index. The caller has checked that there is room. */
uint32_t journal_append(struct journal_index *, uint64_t block, uint64_t tag, uint64_t generation,
			uint32_t is);
/* The device may have forgotten what was not flushed: marks those lines. Returns the page of the
 * first line that was certain before; ~0: none. */
uint64_t journal_index_lost(struct journal_index *);
/* The newest line of the block that is not dead; NULL: none. */
struct journal_entry *journal_newest(struct journal_index *, uint64_t block);

enum tag_verdict { TAG_WRONG, TAG_DATA, TAG_EMPTY };
struct tag_judge {
	uint64_t                    key[2];
	const struct disk_geometry *g;
	bool                        adopted;
};
/* Which version are these bytes, read from `block`? From then on it is the only right one. */
enum tag_verdict tag_judge(const struct tag_judge *, struct journal_index *, uint64_t block,
			   const void *data, const struct tag_entry *table);

/* ---- tag_table.c: the table -------------------------------------------------------------- */

struct tag_slot {
	uint64_t page;
	uint32_t next; /* in its bucket */
	uint8_t  state;
	bool     used;
};

struct tag_table {
	uint64_t       *digest; /* by page; 0: not seen yet, or not sure */
	unsigned char  *bytes;
	uint32_t        hand;
	uint32_t        bucket[TAG_SLOTS];
	struct tag_slot slot[TAG_SLOTS];
};

struct internal_io {
	struct rf_io       io; /* first */
	struct disk_store *store;
	uint64_t           what; /* page, or place in the order */
	uint32_t           slot;
	void (*then)(struct internal_io *, int status);
};

void tag_table_clear(struct tag_table *);
/* The page if it is here, else NULL. */
void *tag_table_page(struct disk_store *, uint64_t page);
/* Begins to load it, if it is not here or on its way, and an op is free. */
void tag_table_load(struct disk_store *, uint64_t page);

/* ---- disk_store.c ------------------------------------------------------------------------ */

struct job_list {
	struct integrity_job *head, **tail;
};

enum disk_phase { DISK_CLOSED, DISK_STARTING, DISK_OPEN };

enum checkpoint_stage {
	CKPT_IDLE,
	CKPT_DRAIN,
	CKPT_FLUSH,
	CKPT_RESOLVE,
	CKPT_TABLE,
	CKPT_TABLE_FLUSH,
	CKPT_SUPER,
	CKPT_SUPER_FLUSH,
	CKPT_DONE
};

struct checkpoint_order {
	uint64_t block;
};

/* The device, and what is laid out on it. */
struct device_facts {
	uint64_t bytes;                  /* in all */
	bool     read_only, cached, fua; /* what it has */
	uint32_t most;                   /* pages of a request it takes */
};

/* disk_store.c: clients' changes. */
struct changes {
	struct job_list room;        /* wait for room in the journal */
	struct job_list announced;   /* wait for their journal pages */
	uint32_t        changing;    /* have lines, and no answer yet */
	uint64_t        unsure_page; /* first one with lines that failed or were lost; ~0: none */
};

/* internal_io.c. */
struct internal_ios {
	struct internal_io  op[INTERNAL_IOS];
	struct internal_io *free[INTERNAL_IOS];
	uint32_t            count;   /* free ones */
	bool                starved; /* somebody wanted one and there was none */
};

/* journal.c. */
struct journal {
	struct superblock    super;
	uint64_t             filling;               /* page that takes lines */
	uint64_t             written;               /* pages up to this one are on the disk */
	uint32_t             filled[JOURNAL_PAGES]; /* by page: index of its first line */
	uint32_t             lines;                 /* of the page being filled */
	struct rf_io         io;                    /* a batch, or the flush behind it */
	uint64_t             arena;
	uint32_t             committing; /* pages of the batch under way */
	bool                 lost;       /* a cache was, under it */
	bool                 mark;       /* a page is due, if only to say what is durable */
	struct journal_index index;
};

/* checkpoint.c. */
struct checkpoint {
	enum checkpoint_stage stage;
	bool                  lost, again, failed;
	bool         unflushed_table; /* pages of it were written, perhaps by one that failed */
	uint32_t     rounds;          /* of reading blocks in doubt, that were not enough */
	uint32_t     at, under_way;
	uint64_t     cover; /* pages the flush makes durable */
	struct rf_io io;    /* the flush */
	struct checkpoint_order order[JOURNAL_ENTRIES];
};

/* disk_start.c: one long transfer after the other. */
struct disk_start {
	enum disk_phase phase;
	struct rf_io    io; /* one part */
	const char     *what;
	uint64_t        arena, at;
	uint32_t        bytes, over; /* in all, and of them those of parts answered */
	void (*then)(struct disk_store *);
	uint64_t      place;                        /* page of the journal */
	unsigned char bulk[BULK_PAGES * DISK_PAGE]; /* a copy */
};

/* What disk_store.c is told by those it stands on. */
struct disk_events {
	/* A table page came, or did not. */
	void (*loaded)(struct disk_store *, uint64_t page, int status);
	/* A batch of the journal is over. 0: pages up to `written` are there. */
	void (*committed)(struct disk_store *, int status);
	/* A checkpoint is over. */
	void (*checkpointed)(struct disk_store *, bool well);
};

struct disk_store {
	struct integrity     base; /* first */
	const struct disk_events *events;
	uint64_t             master[2];
	struct tag_judge     judge;
	struct disk_geometry g;
	struct device_facts  disk;
	struct changes       changes;
	struct internal_ios  own;
	struct journal       journal;
	struct checkpoint    checkpoint;
	struct disk_start    start;
	struct tag_table     table;
};

static inline struct disk_store *disk_store_of(struct integrity *i)
{
	return (struct disk_store *)i;
}

/* Of an rf_io that is a member of it. */
#define disk_store_holding(io, member) \
	((struct disk_store *)((char *)(io) - offsetof(struct disk_store, member)))

static inline bool disk_is_gone(const struct disk_store *d)
{
	return integrity_gone(&d->base);
}

/* A request of our own goes to the driver; `done` may be called at once if there is none any more.
 */
static inline void internal_send(struct disk_store *d, struct rf_io *io)
{
	rf_blk_pass(integrity_below(&d->base), io);
}

static inline void *disk_shared(struct disk_store *d, uint64_t arena)
{
	return d->base.arena + arena;
}

/* ---- internal_io.c ----------------------------------------------------------------------- */

struct internal_io *internal_take(struct disk_store *);
void                internal_give(struct internal_io *);
int                 internal_init(struct disk_store *, struct rf_arena *);
uint8_t disk_through(const struct disk_store *); /* flags of a write that goes to stable media */

/* ---- journal.c --------------------------------------------------------------------------- */

/* Is there room for the lines of a change now? */
bool journal_has_room(const struct disk_store *, const struct integrity_job *);
void journal_announce(struct disk_store *, struct integrity_job *);
void journal_commit(struct disk_store *);
/* What is durable now is to be known after a restart. True: a checkpoint is to say so. */
bool journal_durable(struct disk_store *);
void journal_init(struct disk_store *);
/* Pages up to which every line was answered, and none is in doubt. */
uint64_t journal_answered(const struct disk_store *);
/* A flush went well that was asked for when pages up to this one were answered. True: lines
 * are durable now that were not. */
bool journal_flushed(struct disk_store *, uint64_t cover);

/* ---- checkpoint.c ------------------------------------------------------------------------ */

void checkpoint_begin(struct disk_store *);    /* begins one, if none is under way */
void checkpoint_continue(struct disk_store *); /* something it waits for may have happened */
void checkpoint_missed(struct disk_store *, uint64_t page); /* that could not be read */

/* ---- disk_start.c ------------------------------------------------------------------------ */

/* Makes its memory; the caller adds what it is told by. NULL, after a line: there is none. */
struct disk_store *disk_store_make(const struct rf_blk_below *);
void disk_store_close(struct integrity *);
int  disk_store_known(struct integrity *, struct rf_blk_info *);
void disk_store_up(struct integrity *);
void disk_store_started(struct disk_store *, bool well); /* the first checkpoint is over */

#endif
