/* SPDX-License-Identifier: MIT */
/*
 * blk_filter.h - what may stand between the clients of a disk and the block core.
 *
 * Room:   sandbox/blk, trusted. The core knows this table and no filter; a filter knows this
 *         header and service.h, and nothing else of the core.
 * Place:  a disk has one filter. Each request of a client that fits the disk goes to submit();
 *         the filter hands requests down by rf_blk_pass(), clients' own ones or some that it
 *         made, and finds their answers in done(). Without a filter the core's short path is
 *         taken, on which nothing is called.
 * Order:  open, disk, then up and any of the others, at last close. Calls come out of the
 *         service's own calls, in one thread. No call blocks. Each function must be there.
 * Data:   clients put their data into `shown` and find it there; drivers and devices write the
 *         arena. A filter that judges data has memory of its own as `shown` and copies.
 * Cache:  lost() is called before the core notes a loss; whatever the filter passes down
 *         afterwards counts as asked for after it.
 */
#ifndef RF_BLK_FILTER_H
#define RF_BLK_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct rf_arena;
struct rf_blk_filter;
struct rf_blk_info;
struct rf_export_config;
struct rf_io;
struct rf_blk;

/* What a filter is opened on. */
struct rf_blk_below {
	struct rf_blk             *service;
	const struct rf_export_config *config;
	struct rf_arena               *arena; /* to take room for requests of its own, in open() */
	unsigned char                 *data;      /* the arena as drivers and devices see it */
	/* a predecessor may have left changes in the cache */
	bool                           inherited;
};

struct rf_blk_filter_ops {
	/* Does the configuration ask for this filter? */
	bool (*wanted)(const struct rf_export_config *);
	/* Before the lock. 0, or -errno after one line in the log. */
	int (*open)(const struct rf_blk_below *, struct rf_blk_filter **);
	void (*close)(struct rf_blk_filter *);
	/* The device process described the disk, perhaps once more: makes of it what clients are
	 * shown. 0; -EFBIG: it was refused. */
	int (*disk)(struct rf_blk_filter *, struct rf_blk_info *);
	/* May clients be let in? */
	bool (*ready)(const struct rf_blk_filter *);
	/* A client's request that fits the disk. Its done() is called by the filter. */
	void (*submit)(struct rf_blk_filter *, struct rf_io *);
	/* A driver runs; new requests flow. */
	void (*up)(struct rf_blk_filter *);
	/* The device may have forgotten what was not flushed. */
	void (*lost)(struct rf_blk_filter *);
	/* There is no driver any more, and all that was passed down has failed: what clients still
	 * wait for fails, too. rf_blk_gone() is true since before the first of them failed. */
	void (*gone)(struct rf_blk_filter *);
	/* A disk that was gone is back. 0: goes on; -EPIPE: its export must be replaced. */
	int (*back)(struct rf_blk_filter *);
	/* Reads that were not shown to clients for what was in them. */
	uint64_t (*caught)(const struct rf_blk_filter *);
};

/* The first member of what a filter's open() makes. */
struct rf_blk_filter {
	const struct rf_blk_filter_ops *ops;
	struct rf_blk              *service;
	unsigned char                  *shown; /* as long as the arena */
};

/* rf_blk_open_at(), the disk under the first of these filters that its configuration wants;
 * the last one is NULL. So the core names none: integrity/filters.c has the list. */
int rf_blk_open_filtered(struct rf_blk **out, int up,
			 const struct rf_blk_filter_ops *const *filters);
/* The one that does nothing. */
extern const struct rf_blk_filter_ops rf_blk_no_filter;

/* Hands a request down. Where the disk is gone, its done() is called at once, with -EIO. */
void rf_blk_pass(struct rf_blk *, struct rf_io *);
/* The filter itself found the cache lost: lost() is called, and clients hear of it. */
void rf_blk_lost(struct rf_blk *);
/* This disk is not served, for the reason given: a line in the log. Returns only in a process with
 * other devices, which drops this one. */
void rf_blk_refuse(struct rf_blk *, const char *why, ...)
	__attribute__((format(printf, 2, 3)));

#endif
