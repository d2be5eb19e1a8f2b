/* SPDX-License-Identifier: MIT */
/*
 * core.h - what the files of the block service share; exports see service.h only.
 *
 * Room:   sandbox/blk, trusted.
 * Path of a request:
 *   submit -> [filter] -> [queue] -> [held] -> table entry, ring -> response, done()
 *   filter: blk_filter.h; the core calls it through its table only.
 *   queue: the table is full, or no driver runs, or one request runs alone. In order.
 *   held:  overlaps an older write, discard or zero that was not answered yet.
 */
#ifndef RF_CORE_H
#define RF_CORE_H

#include "arena.h"
#include "blk_filter.h"
#include "blk_io.h"
#include "boot.h"
#include "export.h"
#include "hold.h"
#include "log.h"
#include "notice.h"
#include "stats.h"
#include "table.h"
#include "watch.h"

/* rf_blk.gate: why a request may not go straight into the ring */
#define RF_GATE_DRIVER 0x1u /* no driver is up, or it lied */
#define RF_GATE_REDO   0x2u /* requests of a dead driver come first, one of them alone */
#define RF_GATE_QUEUE  0x4u /* others wait already */
#define RF_GATE_WRITES 0x8u /* writes are pending: look whether it overlaps one */
#define RF_GATE_FILTER 0x10u /* for ever: every request goes to a filter */

enum rf_driver_state {
	RF_DRIVER_NONE,     /* none was seen yet */
	RF_DRIVER_PREPARED, /* its half is filled; it may or may not run */
	RF_DRIVER_UP,
	RF_DRIVER_LIED,     /* its ring is not looked at any more */
	RF_DRIVER_GONE,     /* there will be none */
};

struct rf_counts {
	uint64_t submitted, completed, bytes_read, bytes_written;
	uint64_t corrupt; /* caught by predecessors */
	uint64_t failed, reissued, violations, stalls, held_back, nudges, nudges_helped;
};

struct rf_blk {
	/* every request */
	struct rf_ring_end     req, resp;
	struct rf_table_entry *entry;
	uint32_t               generation;
	uint32_t               gate;
	uint32_t               free_count;
	uint32_t               dirty; /* records put and not published */
	uint64_t               seq;   /* of the request admitted last */
	uint64_t               size;
	uint64_t               arena_bytes;
	uint64_t               block_mask;
	uint32_t               limit[256]; /* by op: most bytes; 0: needs a closer look */
	uint32_t               awaiting; /* first_io_ns of some recovery is still 0 */
	struct rf_counts       count;
	struct rf_table_entry *free[RF_BLK_DEPTH];
	struct rf_hold         hold;

	/* requests that wait */
	struct rf_io  *queue_head;
	struct rf_io **queue_tail;

	/* the driver */
	enum rf_driver_state state;
	uint32_t             half;
	bool                 alone;      /* the one request in flight is under suspicion */
	bool                 was_up;     /* this generation: its driver may have seen the ring */
	bool                 stalled;    /* this generation: reported */
	uint32_t             await_from; /* first generation whose first_io_ns is awaited */
	struct rf_watch      watch;
	bool                 dropped;    /* GONE for good, by its own export */
	/* to the device process, which did not read; type 0: none */
	struct rf_svc_msg    untold;
	uint64_t             scanned_ns; /* when ages were looked at last */
	uint64_t             lived_ns;   /* sum of the times between two looks, long ones cut */
	uint64_t             slow_done;  /* discards and zeroings answered; as the last look */
	uint64_t             slow_seen;  /* found it; and by that clock when it changed last */
	uint64_t             slow_lived_ns;
	struct {
		uint64_t tag;      /* generation and tag, as the last look found it */
		uint64_t since;    /* first seen then, */
		uint64_t lived_ns; /* and by the other clock */
		bool     slow;     /* a discard or zeroing was under way since */
	} stall[RF_BLK_DEPTH];

	/* volatile write cache */
	uint64_t acked;       /* writes answered that only a flush makes safe */
	uint64_t flushed;     /* of these, covered by a flush or reported lost */
	uint32_t flush_fails; /* so many flushes to come do */
	uint32_t losses;
	bool     export_tells; /* each client, by rf_blk_losses(): no flush is failed for all */
	uint32_t left;        /* clients that went away, their last write not flushed: */
	uint64_t left_upto;   /* the newest of those writes; flushed: there are none */
	uint32_t owed;        /* clients that went away and were not told of a loss, not yet back */
	uint64_t owed_since;  /* 0: whoever comes was told of all losses, or has nothing to hear */
	uint64_t covers[RF_BLK_DEPTH]; /* flush in flight: `acked` when it was issued */

	/* set-up */
	int                      fds_up; /* its fds are those of enum rf_export_fd plus this */
	struct rf_export_config  config;
	struct rf_blk_info       info;
	bool                     info_known;
	bool                     refused; /* its export is to drop it */
	struct rf_notices        notices;
	uint64_t                 ticked_ns; /* by rf_blk_wait() */
	bool                     arena_ours; /* no driver of a predecessor's writes to it */
	unsigned char           *data;
	unsigned char           *rings;
	struct rf_table         *table;
	struct rf_stats_service *stats;
	const struct rf_stats_device *device;
	struct rf_arena          arena;
	struct rf_blk_filter    *filter;
	struct rf_blk_filter     none; /* the filter of a disk that has none */
};

static inline int rf_blk_fd(const struct rf_blk *s, enum rf_export_fd fd)
{
	return (int)fd + s->fds_up;
}

/* The channel of queue 0 in one half. */
struct rf_blk_chan *rf_blk_chan_at(struct rf_blk *, uint32_t half);

/* Puts the request of entry `index` into the ring under a new tag. */
void rf_entry_put(struct rf_blk *, uint32_t index);
/* Takes the entry out of the table, then calls done(). */
void rf_entry_finish(struct rf_blk *, uint32_t index, int status);
/* Lets waiting requests go as far as they may. */
void rf_queue_pump(struct rf_blk *);

/* Takes the responses of the current generation; a lie: returns with *lie set. */
int rf_blk_take(struct rf_blk *, enum rf_violation *lie);

/* cache.c: takes the table over as it lies there, and promises on what it promised. */
void rf_table_take_over(struct rf_blk *);
/* The device may have lost its write cache: acknowledged writes that were not flushed. */
void rf_cache_lost(struct rf_blk *);
/* The disk is known: was the one before, whose promises are in the table, another one, or had
 * another cache? */
void rf_disk_known(struct rf_blk *, const struct rf_identity *);
/* It was known: is it another one now? -ESTALE then, after one line in the log. */
int rf_disk_again(const struct rf_blk *, const struct rf_blk_info *now,
		  const struct rf_identity *);
/* recover.c: the export has had its time to reuse memory. */
/* a reissued request was answered; lets the next ones go. */
void rf_redo_next(struct rf_blk *);
void rf_first_io(struct rf_blk *);
void rf_blk_lied(struct rf_blk *, enum rf_violation);
void rf_driver_kick(struct rf_blk *); /* wakes it */
/* To the device process. */
void rf_tell(struct rf_blk *, enum rf_svc_type, uint32_t value);

/* ages.c: is a request too old? Once a 16th of the stall time is often enough. */
void rf_ages_look(struct rf_blk *, uint64_t now);
extern const char *const rf_op_names[];

/* stats.c */
void     rf_stats_publish(struct rf_blk *);
void     rf_stats_adopt(struct rf_blk *);

#endif
