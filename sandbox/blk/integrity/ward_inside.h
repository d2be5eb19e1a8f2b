/* SPDX-License-Identifier: MIT */
/*
 * ward_inside.h - what the files of ward.h share.
 *
 * Room:   sandbox/blk/integrity, trusted. All of it is private memory, made at start.
 */
#ifndef RF_WARD_INSIDE_H
#define RF_WARD_INSIDE_H

#include <stddef.h>

#include "arena.h"
#include "export.h"
#include "integrity_store.h"
#include "log.h"
#include "ward_layout.h"

#define WARD_KNOWN   65536u /* journal lines in memory */
#define WARD_SLOTS   2048u  /* table pages in memory */
#define WARD_OPS     32u    /* small requests of our own */
#define WARD_BATCH   8u     /* journal pages written at once */
#define WARD_BULK    32u    /* pages of the large buffer */
#define WARD_LARGEST (256u << 10) /* of a request, so that one batch holds its lines */
_Static_assert(WARD_LARGEST / 512 <= (WARD_BATCH - 1) * WARD_LINES, "one batch holds any request");
#define WARD_NONE    ~0u

/* ---- ward_journal.c: what was announced, and which of it is right ----------------------- */

/* A line of the journal. The newest of a block is right, and no other; unless: */
#define KNOWN_DOUBT  0x1u /* it may not have reached the disk: an older one may be right */
#define KNOWN_DEAD   0x2u /* it has not: an older one was found */
#define KNOWN_STABLE 0x4u /* it is on stable media */
struct ward_known {
	uint64_t block, tag, generation;
	uint32_t older; /* 1 + index of the next one in its bucket */
	uint32_t is;
};

struct ward_notes {
	uint32_t          count;
	uint64_t          durable; /* lines of pages up to this one are on stable media */
	struct ward_known known[WARD_KNOWN];
	uint32_t          bucket[WARD_KNOWN]; /* 1 + index of the newest */
};

void ward_notes_clear(struct ward_notes *);
/* Index of the new line. The caller has seen to the room. */
uint32_t ward_note(struct ward_notes *, uint64_t block, uint64_t tag, uint64_t generation, uint32_t is);
/* What was not flushed may be forgotten. Page of the first line that was sure before; ~0: none. */
uint64_t ward_notes_lost(struct ward_notes *);
/* The newest line of the block that is not dead; NULL: none. */
struct ward_known *ward_newest(struct ward_notes *, uint64_t block);

enum ward_verdict { WARD_WRONG, WARD_DATA, WARD_ZEROES };
struct ward_judge {
	uint64_t                    key[2];
	const struct ward_geometry *g;
	bool                        adopted;
};
/* What are these bytes, read from `block`? The right version is the only one from then on. */
enum ward_verdict ward_judge(const struct ward_judge *, struct ward_notes *, uint64_t block, const void *data,
			     const struct ward_entry *table);

/* ---- ward_tags.c: the table -------------------------------------------------------------- */

struct ward_slot {
	uint64_t page;
	uint32_t next; /* in its bucket */
	uint8_t  state;
	bool     used;
};

struct ward_table {
	uint64_t        *digest; /* by page; 0: not seen yet, or not sure */
	unsigned char   *bytes;
	uint32_t         hand;
	uint32_t         bucket[WARD_SLOTS];
	struct ward_slot slot[WARD_SLOTS];
};

struct ward_op {
	struct rf_io    io; /* first */
	struct rf_ward *ward;
	uint64_t        what; /* page, or place in the order */
	uint32_t        slot;
	void          (*then)(struct ward_op *, int status);
};

void  ward_table_clear(struct ward_table *);
/* The page if it is here, else NULL. */
void *ward_table_page(struct rf_ward *, uint64_t page);
/* Begins to load it, if it is not here or on its way, and an op is free. */
void  ward_table_want(struct rf_ward *, uint64_t page);

/* ---- ward.c ------------------------------------------------------------------------------ */

struct ward_list {
	struct integrity_job *head, **tail;
};

enum ward_phase { WARD_CLOSED, WARD_STARTING, WARD_OPEN };

enum ward_stage { CKPT_IDLE, CKPT_DRAIN, CKPT_FLUSH, CKPT_RESOLVE, CKPT_TABLE, CKPT_TABLE_FLUSH,
		  CKPT_SUPER, CKPT_SUPER_FLUSH, CKPT_DONE };

struct ward_order {
	uint64_t block;
	uint32_t line;
};

/* The device, and what is laid out on it. */
struct ward_disk {
	uint64_t bytes;                  /* in all */
	bool     read_only, cached, fua; /* what it has */
	uint32_t most;                   /* pages of a request it takes */
};

/* ward.c: clients' changes. */
struct ward_changes {
	struct ward_list room;        /* wait for room in the journal */
	struct ward_list announced;   /* wait for their journal pages */
	uint32_t         changing;    /* have lines, and no answer yet */
	uint64_t         unsure_page; /* first one with lines that failed or were lost; ~0: none */
};

/* ward.c: small requests of our own. */
struct ward_own {
	struct ward_op  op[WARD_OPS];
	struct ward_op *free[WARD_OPS];
	uint32_t        count;   /* free ones */
	bool            starved; /* somebody wanted one and there was none */
};

/* ward_commit.c. */
struct ward_journal {
	struct ward_super super;
	uint64_t          filling; /* page that takes lines */
	uint64_t          written; /* pages up to this one are on the disk */
	uint32_t          filled[WARD_JOURNAL]; /* by page: index of its first line */
	uint32_t          lines;   /* of the page being filled */
	struct rf_io      io;      /* a batch, or the flush behind it */
	uint64_t          arena;
	uint32_t          committing; /* pages of the batch under way */
	bool              lost;       /* a cache was, under it */
	bool              mark;       /* a page is due, if only to say what is durable */
	struct ward_notes notes;
};

/* ward_checkpoint.c. */
struct ward_checkpoint {
	enum ward_stage   stage;
	bool              lost, again, failed;
	bool              unflushed_table; /* pages of it were written, perhaps by one that failed */
	uint32_t          rounds;          /* of reading blocks in doubt, that were not enough */
	uint32_t          at, under_way;
	uint64_t          cover;           /* pages the flush makes durable */
	struct rf_io      io;              /* the flush */
	struct ward_order order[WARD_KNOWN];
};

/* ward_start.c: one long transfer after the other. */
struct ward_start {
	enum ward_phase phase;
	struct rf_io    io;   /* one part */
	const char     *what;
	uint64_t        arena, at;
	uint32_t        bytes, over; /* in all, and of them those of parts answered */
	void          (*then)(struct rf_ward *);
	uint64_t        place;       /* page of the journal */
	unsigned char   bulk[WARD_BULK * WARD_PAGE]; /* a copy */
};

struct rf_ward {
	struct integrity       base; /* first */
	uint64_t               master[2];
	struct ward_judge      judge;
	struct ward_geometry   g;
	struct ward_disk       disk;
	struct ward_changes    changes;
	struct ward_own        own;
	struct ward_journal    journal;
	struct ward_checkpoint checkpoint;
	struct ward_start      start;
	struct ward_table      table;
};

static inline struct rf_ward *ward_of(struct integrity *i)
{
	return (struct rf_ward *)i;
}

static inline bool ward_gone(const struct rf_ward *w)
{
	return integrity_gone(&w->base);
}

/* A request of our own goes to the driver; `done` may be called at once if there is none any more. */
static inline void ward_send(struct rf_ward *w, struct rf_io *io)
{
	rf_blk_pass(integrity_below(&w->base), io);
}

static inline void *ward_shared(struct rf_ward *w, uint64_t arena)
{
	return w->base.arena + arena;
}

struct ward_op *ward_op_take(struct rf_ward *);
void  ward_op_give(struct ward_op *);
uint8_t ward_through(const struct rf_ward *); /* flags of a write that goes to stable media */
void  ward_changes_init(struct rf_ward *);
/* An op is free again; somebody may have wanted one. */
void  ward_relieve(struct rf_ward *);
/* A table page came, or did not: those who wait for it go on. */
void ward_loaded(struct rf_ward *, uint64_t page, int status);
/* Requests that waited for room in the journal go on. `status`: those for which there is none
 * fail, else they wait for a checkpoint. */
void ward_room(struct rf_ward *, int status);
/* Pages up to which every line was answered, and none is in doubt. */
uint64_t ward_answered(const struct rf_ward *);
/* A flush went well that was asked for when pages up to this one were answered. True: lines
 * are durable now that were not. */
bool ward_flushed(struct rf_ward *, uint64_t cover);

/* ---- ward_commit.c ----------------------------------------------------------------------- */

/* Is there room for the lines of a change now? */
bool ward_has_room(const struct rf_ward *, const struct integrity_job *);
void ward_announce(struct rf_ward *, struct integrity_job *);
void ward_commit(struct rf_ward *);
/* What is durable now is to be known after a restart. */
void ward_mark(struct rf_ward *);
void ward_commit_init(struct rf_ward *);
void ward_announced(struct rf_ward *, int status); /* ward.c: pages up to `written` are there */

/* ---- ward_checkpoint.c ------------------------------------------------------------------- */

void ward_checkpoint(struct rf_ward *);    /* begins one, if none is under way */
void ward_checkpoint_go(struct rf_ward *); /* something it waits for may have happened */
void ward_checkpoint_missed(struct rf_ward *, uint64_t page); /* that could not be read */
void ward_started(struct rf_ward *, bool well); /* ward_start.c: the first one is over */

/* ---- ward_start.c ------------------------------------------------------------------------ */

int  ward_open(const struct rf_blk_below *, struct integrity **);
void ward_close(struct integrity *);
int  ward_disk(struct integrity *, struct rf_blk_info *);
void ward_up(struct integrity *);

#endif
