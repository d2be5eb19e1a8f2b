/* SPDX-License-Identifier: MIT */
/*
 * service.h - the block service: one disk behind a driver nobody believes.
 *
 * Room:   sandbox/blk, trusted, unprivileged. The only room that reads what
 *         a driver wrote.
 * Use:    single-threaded. An export allocates arena space, fills an rf_io,
 *         submits it, calls rf_blk_push() once a batch, and gets done()
 *         called out of rf_blk_poll() or rf_blk_control(). No call blocks.
 */
#ifndef RF_SERVICE_H
#define RF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk_io.h"
#include "block.h"
#include "export.h"

struct rf_blk; /* opaque */
struct rf_stats_service;

/* Maps the fds of enum rf_export_fd. 0, or -errno after one line in the log. */
int rf_blk_open(struct rf_blk **out);
/* The same with every fd's number higher by `up`: for a process with several devices. */
int rf_blk_open_at(struct rf_blk **out, int up);
const struct rf_export_config *rf_blk_config(const struct rf_blk *);

/* The disk, or NULL as long as the device process has not said, or the arena may still
 * be written by what a dead export had asked for. */
const struct rf_blk_info *rf_blk_info(const struct rf_blk *);
bool rf_blk_gone(const struct rf_blk *);
/* It is a disk that cannot be served as the configuration has it, which was logged: for an export
 * with other devices, which drops it. One without has ended (RF_EXIT_INTEGRITY). */
bool rf_blk_refused(const struct rf_blk *);
/* Does a driver run, so that looking again at once may find an answer? */
bool rf_blk_up(const struct rf_blk *);

/* Requests in the table: given to a driver, or to be given to its successor. */
uint32_t rf_blk_inflight(const struct rf_blk *);

/* Times the device may have lost acknowledged, unflushed writes. The service fails one
 * flush for each, unless the export tells each of its clients by comparing: it says so, once,
 * before its first client. */
uint32_t rf_blk_losses(const struct rf_blk *);
void rf_blk_tells(struct rf_blk *);
/* Of these, how many a client that connects now was told of; unknown, if it may be one that
 * went away, or whose export died, before it could be told. */
#define RF_LOSSES_UNKNOWN (~0u)
uint32_t rf_blk_losses_told(struct rf_blk *);
/* Number of the newest write that was acknowledged and that only a flush makes safe. */
uint64_t rf_blk_acked(const struct rf_blk *);
/* A client went away; `wrote`: rf_blk_acked() at its last write, 0: it wrote nothing. */
void rf_blk_left(struct rf_blk *, uint64_t wrote);
/* A client went away without having been told. */
void rf_blk_owe(struct rf_blk *);
/* There is news that one client was not told yet, though it may have heard of all losses. */
void rf_blk_untold(struct rf_blk *);
/* One that counted as unknown was told. */
void rf_blk_paid(struct rf_blk *);
/* It went away, perhaps without having read that. */
void rf_blk_unpaid(struct rf_blk *);
/* All clients there are were told of all losses: the answer was sent. */
void rf_blk_told(struct rf_blk *);

/* The export's own part of the counters (clients, client_errors) is written by it. */
struct rf_stats_service *rf_blk_stats(struct rf_blk *);

/* Arena space: whole 4 KiB pages, contiguous, at most 1 MiB. -ENOMEM: try again
 * after a done(). The pointer is the export's own view of it. */
int   rf_blk_alloc(struct rf_blk *, uint32_t length, uint64_t *arena);
void  rf_blk_free(struct rf_blk *, uint64_t arena, uint32_t length);
void *rf_blk_at(struct rf_blk *, uint64_t arena);
/* Bytes an allocation of this length takes: the next power of two of pages. */
uint32_t rf_arena_size(uint32_t length);

/* Takes the request: 0. -EINVAL: outside the disk or its units, -EROFS,
 * -EOPNOTSUPP, -EIO: the device is gone. Then done() is not called. It is held back
 * inside while it overlaps an older discard, zero or write, while the table is full or no driver
 * runs. */
int rf_blk_submit(struct rf_blk *, struct rf_io *);

/* Publishes what was submitted and kicks the driver if it sleeps. */
void rf_blk_push(struct rf_blk *);

/* Takes responses, calls done(). Number of completions. */
int rf_blk_poll(struct rf_blk *);

/* Call when RF_EXPORT_FD_CONTROL is readable. 0, -EPIPE: the device process is
 * gone, -EPROTO: it said what cannot be, -ESTALE: the disk is another one than before, both after
 * one line in the log. An export ends on each; one with other devices drops this one instead,
 * unless its device process is gone. */
int rf_blk_control(struct rf_blk *);
/* The disk is gone for good: all that is under way and all that comes fails with EIO. */
void rf_blk_drop(struct rf_blk *);

/* Before blocking: asks the driver for kicks. False: there is work, do not block. */
bool rf_blk_sleep(struct rf_blk *);
/* After blocking: drains the kick eventfd (if it was readable). */
void rf_blk_wake(struct rf_blk *, bool kicked);
/* Looks whether the driver moves, and at request ages. Call it after each sleep that
 * rf_blk_patience() bounded, and as often (5 ms) while there is no time to sleep. */
void rf_blk_tick(struct rf_blk *);
/* Most milliseconds to sleep; -1: nothing is in flight, and an event will tell. */
int rf_blk_patience(const struct rf_blk *);

#endif
