/* SPDX-License-Identifier: MIT */
/*
 * integrity_store.h - the two halves of the filter `integrity`: clients' requests, which
 * integrity_jobs.c handles, and a store, which knows what each block must hold.
 *
 * Room:   sandbox/blk/integrity, trusted. All of it is private memory, made at start.
 * Stores: memory (memory_store.c) and disk (disk_state.h). The configuration chooses one.
 * Ends:   a store ends each change and each flush it was given by integrity_finish(), in the call
 *         itself or later.
 */
#ifndef RF_INTEGRITY_H
#define RF_INTEGRITY_H

#include <stdbool.h>
#include <stdint.h>

#include "blk_filter.h"
#include "order.h"
#include "ringfence.h"
#include "service.h"

#define INTEGRITY_JOBS 128u /* requests of clients under way */
_Static_assert(INTEGRITY_JOBS <= RF_ORDER_OWNERS, "a job is an owner");

struct integrity;

enum integrity_job_state {
	JOB_FREE,
	JOB_READ,
	JOB_JUDGE,
	JOB_ROOM,
	JOB_JOURNAL,
	JOB_SEND,
	JOB_FLUSH
};

/* A request of a client that was begun. */
struct integrity_job {
	struct rf_io             io; /* first; what is passed down for it */
	struct integrity        *filter;
	struct rf_io            *client;
	struct integrity_job    *next; /* in a list of the store's, or of the free ones */
	enum integrity_job_state state;
	/* of the store */
	uint32_t                 line;  /* index of its first line */
	uint64_t                 first_page, last_page;
	uint64_t                 cover; /* flush: what it makes durable */
};

struct integrity_store {
	int  (*open)(const struct rf_blk_below *, struct integrity **);
	void (*close)(struct integrity *);
	int  (*disk)(struct integrity *, struct rf_blk_info *);
	bool (*ready)(const struct integrity *);
	/* A read was begun: what its judgement needs may be got meanwhile. */
	void (*expect)(struct integrity *, struct integrity_job *);
	/* `data` is what was read. 0, or -EIO: it is not what the blocks must hold. -EAGAIN: not
	 * known yet; integrity_judge() is called later. */
	int  (*judge)(struct integrity *, struct integrity_job *, unsigned char *data);
	/* A write, discard or zeroing was begun: integrity_send(), now or later. */
	void (*change)(struct integrity *, struct integrity_job *);
	/* It was sent and has its answer. */
	void (*changed)(struct integrity *, struct integrity_job *, int status);
	/* A flush is sent, and has its answer. */
	void (*flush)(struct integrity *, struct integrity_job *);
	void (*flushed)(struct integrity *, struct integrity_job *, int status);
	/* As in blk_filter.h. */
	void (*up)(struct integrity *);
	void (*lost)(struct integrity *);
	void (*gone)(struct integrity *);
	int  (*back)(struct integrity *);
};
extern const struct integrity_store integrity_memory, integrity_disk;

/* Clients' requests, in the order they came. */
struct integrity_clients {
	struct rf_order       order;
	uint64_t              seq;
	struct rf_io         *queue_head, **queue_tail;
	struct integrity_job *free;
	struct integrity_job  job[INTEGRITY_JOBS];
	bool                  pumping; /* integrity_pump() runs, and looks again */
};

/* The first member of what a store's open() makes. */
struct integrity {
	struct rf_blk_filter          filter; /* first */
	const struct integrity_store *store;
	unsigned char                *arena; /* which drivers and devices write */
	uint64_t                      arena_bytes;
	uint32_t                      block; /* bytes; the store says in disk() */
	uint64_t                      caught;
	struct integrity_clients      clients;
};

static inline struct integrity *integrity_of(struct rf_blk_filter *f)
{
	return (struct integrity *)f;
}

static inline struct rf_blk *integrity_below(const struct integrity *i)
{
	return i->filter.service;
}

static inline bool integrity_gone(const struct integrity *i)
{
	return rf_blk_gone(i->filter.service);
}

/* The filter itself: integrity_filter.c. */
extern const struct rf_blk_filter_ops integrity_ops;

/* Blocks of a request that has any. */
static inline uint64_t integrity_first(const struct integrity_job *job)
{
	return job->client->offset / job->filter->block;
}

static inline uint64_t integrity_last(const struct integrity_job *job)
{
	return (job->client->offset + job->client->length - 1) / job->filter->block;
}

/* Private zeroed memory; pages that are not touched cost addresses only. NULL: errno. */
void *rf_private_memory(uint64_t bytes);

/* The part of open() and close() that all stores share. False: errno. */
bool integrity_init(struct integrity *, const struct rf_blk_below *);
void integrity_fini(struct integrity *);

/* Sends a change, with what the client had in its memory when it was asked for. */
void integrity_send(struct integrity_job *);
/* Judges a read that waits for it. */
void integrity_judge(struct integrity_job *);
void integrity_finish(struct integrity_job *, int status);
/* Begins what may begin of the requests that wait. */
void integrity_pump(struct integrity *);
/* The device may have forgotten what was not flushed; the store is told, too. */
void integrity_lost(struct integrity *);
/* Counts it, and names it in the log. */
void integrity_caught(struct integrity *, uint64_t offset, const char *what);

#endif
