/* SPDX-License-Identifier: MIT */
/*
 * core.h - what the files of the block service share; exports see service.h only.
 *
 * Room:   sandbox/blk, trusted.
 * Path of a request:
 *   submit -> [filter] -> [waits] -> [held] -> table entry, ring -> response, done()
 *   filter: blk_filter.h; the core calls it through its table only.
 *   waits: the table is full, or no driver runs, or one request runs alone. In order.
 *   held:  overlaps an older write, discard or zero that was not answered yet.
 * Queues: each has a driver, rings, and a part of the table. A request goes to the queue that
 *   its rf_io.queue stands for; while that has no driver or no room, to the one with most room.
 *   What was in flight in a queue whose driver died is reissued to that queue's next driver.
 *   Order, cache and what waits are the disk's: an overlapping request waits whichever queue the
 *   older one is in, and a flush, which a device does for all of its queues, covers what was
 *   answered by any of them before it was issued.
 */
#ifndef RF_CORE_H
#define RF_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "blk_filter.h"
#include "blk_io.h"
#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "export.h"
#include "export_config.h"
#include "identity.h"
#include "latency.h"
#include "order.h"
#include "log.h"
#include "notice.h"
#include "ring.h"
#include "session_core.h"
#include "stats.h"
#include "table.h"

/* rf_session.gate: why a request may not go straight into the ring, besides RF_GATE_DRIVER */
#define RF_GATE_REDO   (RF_GATE_OWN << 0) /* a dead driver's requests come first, one alone */
/* rf_blk.gate: the same, of all queues */
#define RF_GATE_QUEUE  (RF_GATE_OWN << 1) /* others wait already */
#define RF_GATE_WRITES (RF_GATE_OWN << 2) /* writes are pending: look whether it overlaps one */
#define RF_GATE_FILTER (RF_GATE_OWN << 3) /* for ever: every request goes to a filter */

struct rf_counts {
	uint64_t bytes_written; /* submitted: rf_submitted() */
	uint64_t corrupt; /* caught by predecessors */
	uint64_t failed, held_back;
};

/* One queue of the disk. */
struct rf_blk_queue {
	/* every request */
	struct rf_ring_end     req, resp;
	struct rf_table_entry *entry; /* RF_BLK_DEPTH of the table's */
	uint32_t               free_count;
	uint32_t               dirty; /* records put and not published */
	struct rf_session      session; /* of it a plain read sees gate and generation */
	struct {
		uint64_t completed, bytes_read, reissued;
	} count;
	struct rf_table_entry *free[RF_BLK_DEPTH];
	struct rf_blk         *disk;

	/* the driver */
	bool                 alone;      /* the one request in flight is under suspicion */
	uint64_t             slow_seen;  /* rf_blk.slow_done as the last look found it, */
	uint64_t             slow_lived_ns; /* and by that clock when it changed last */
	struct {
		uint64_t tag;      /* generation and tag, as the last look found it */
		uint64_t since;    /* first seen then, */
		uint64_t lived_ns; /* and by the other clock */
		bool     slow;     /* a discard or zeroing was under way since */
	} stall[RF_BLK_DEPTH];
	uint64_t covers[RF_BLK_DEPTH]; /* flush in flight: rf_blk.acked when it was issued */
	struct rf_notices notices;
};

struct rf_blk {
	/* every request */
	struct rf_blk_queue   *route[RF_MAX_QUEUES]; /* by rf_io.queue modulo this */
	uint32_t               gate;
	uint32_t               queues; /* in queue[]; rf_session.used of them have drivers */
	uint64_t               seq;    /* of the request admitted last */
	uint64_t               size;
	uint64_t               arena_bytes;
	uint64_t               block_mask;
	uint32_t               limit[256]; /* by op: most bytes; 0: needs a closer look */
	struct rf_latency      latency; /* counts requests as they are taken */
	struct rf_counts       count;
	struct rf_order        order;

	/* requests that wait */
	struct rf_io  *queue_head;
	struct rf_io **queue_tail;

	uint64_t slow_done;   /* discards and zeroings answered */

	/* volatile write cache */
	uint64_t acked;       /* writes answered that only a flush makes safe */
	uint64_t flushed;     /* of these, covered by a flush or reported lost */
	uint32_t flush_fails; /* so many flushes to come do */
	uint32_t losses;
	/* each client, by rf_blk_losses(): no flush is failed for all */
	bool     export_reports_losses;
	uint32_t left;             /* clients that went away, their last write not flushed: */
	uint64_t left_upto;        /* the newest of those writes; flushed: there are none */
	uint32_t unreported;  /* clients that went away and were not told of a loss, not yet back */
	/* 0: whoever comes was told of all losses, or has nothing to hear */
	uint64_t unreported_since;

	/* set-up */
	struct rf_blk_info       info;
	bool                     refused; /* its export is to drop it */
	uint64_t                 ticked_ns; /* by rf_blk_wait() */
	struct rf_table         *table;
	const struct rf_stats_device *device;
	struct rf_arena          arena;
	struct rf_blk_filter    *filter;
	struct rf_blk_filter     none; /* the filter of a disk that has none */
	struct rf_blk_queue      queue[];
};

/* for (q of s) */
#define RF_EACH_QUEUE(q, s) \
	for (struct rf_blk_queue *q = (s)->queue; q < (s)->queue + (s)->queues; q++)

static inline struct rf_blk_queue *rf_blk_queue_of(struct rf_session *session)
{
	return (struct rf_blk_queue *)((char *)session - offsetof(struct rf_blk_queue, session));
}

static inline struct rf_blk *rf_blk_of(struct rf_session *session)
{
	return rf_blk_queue_of(session)->disk;
}

static inline uint64_t rf_submitted(const struct rf_blk *s)
{
	return rf_latency_submitted(&s->latency);
}

/* Takes the entry out of the table, then calls done(). */
void rf_entry_finish(struct rf_blk_queue *, uint32_t index, int status);
/* Lets waiting requests go as far as they may. */
void rf_waiting_pump(struct rf_blk *);
/* Once it is known how many queues are used: which one takes whose requests. */
void rf_routes_set(struct rf_blk *);
/* The driver sees what was put into its ring, and is kicked if it sleeps. */
void rf_queue_push(struct rf_blk_queue *);

/* Takes the responses of the current generation; a protocol error: returns with *bad set. */
int rf_blk_take(struct rf_blk_queue *, enum rf_proto_error *bad);

/* cache.c: takes the table over as it lies there, and promises on what it promised. */
void rf_table_take_over(struct rf_blk *);
/* The device may have lost its write cache: acknowledged writes that were not flushed. */
void rf_cache_lost(struct rf_blk *);
/* The disk is known: was the one before, whose promises are in the table, another one, or had
 * another cache? */
void rf_disk_known(struct rf_blk *, const struct rf_identity *);
/* info.c: what the device process says of the disk; may clients see it? */
int rf_disk_info(struct rf_session *, const struct rf_svc_msg *);
int rf_disk_back(struct rf_session *, const struct rf_svc_msg *);

/* recover.c */
extern const struct rf_session_ops rf_blk_session;
/* A reissued request was answered; lets the next ones go. */
void rf_redo_next(struct rf_blk_queue *);
/* entries.c */
uint32_t rf_entries_in(const struct rf_blk_queue *, enum rf_table_state); /* their number */
/* Entries to be redone that were reissued at least `attempts` times, oldest first; their number. */
uint32_t rf_redo_list(const struct rf_blk_queue *, uint32_t attempts, uint32_t *list);

/* ages.c: does the driver move, and is a request too old? */
void rf_requests_look(struct rf_session *, uint64_t now);
extern const char *const rf_op_names[];

/* stats.c */
void     rf_stats_publish(struct rf_blk *);
void     rf_stats_adopt(struct rf_blk *);

#endif
