/* SPDX-License-Identifier: MIT */
/*
 * service.h - the block service: one disk behind a driver nobody believes.
 *
 * Room:   sandbox/blk, trusted, unprivileged. The only room that reads what
 *         a driver wrote.
 * Use:    single-threaded. An export allocates arena space, fills an rf_io,
 *         submits it, calls rf_service_flush() once a batch, and gets done()
 *         called out of rf_service_poll() or rf_service_control(). No call blocks.
 */
#ifndef RF_SERVICE_H
#define RF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk_io.h"
#include "block.h"
#include "export.h"

struct rf_service; /* opaque */
struct rf_stats_service;

/* Maps the fds of enum rf_export_fd. 0, or -errno after one line in the log. */
int rf_service_open(struct rf_service **out);
/* The same with every fd's number higher by `up`: for a process with several devices. */
int rf_service_open_at(struct rf_service **out, int up);
const struct rf_export_config *rf_service_config(const struct rf_service *);

/* The disk, or NULL as long as the device process has not said, or the arena may still
 * be written by what a dead export had asked for. */
const struct rf_blk_info *rf_service_info(const struct rf_service *);
bool rf_service_gone(const struct rf_service *);
/* It is a disk that cannot be served as the configuration has it, which was logged: for an export
 * with other devices, which drops it. One without has ended (RF_EXIT_INTEGRITY). */
bool rf_service_refused(const struct rf_service *);
/* Does a driver run, so that looking again at once may find an answer? */
bool rf_service_up(const struct rf_service *);

/* Requests in the table: given to a driver, or to be given to its successor. */
uint32_t rf_service_inflight(const struct rf_service *);

/* Times the device may have lost acknowledged, unflushed writes. The service fails one
 * flush for each, unless the export tells each of its clients by comparing: it says so, once,
 * before its first client. */
uint32_t rf_service_losses(const struct rf_service *);
void rf_service_tells(struct rf_service *);
/* Of these, how many a client that connects now was told of; unknown, if it may be one that
 * went away, or whose export died, before it could be told. */
#define RF_LOSSES_UNKNOWN (~0u)
uint32_t rf_service_losses_told(struct rf_service *);
/* Number of the newest write that was acknowledged and that only a flush makes safe. */
uint64_t rf_service_acked(const struct rf_service *);
/* A client went away; `wrote`: rf_service_acked() at its last write, 0: it wrote nothing. */
void rf_service_left(struct rf_service *, uint64_t wrote);
/* A client went away without having been told. */
void rf_service_owe(struct rf_service *);
/* There is news that one client was not told yet, though it may have heard of all losses. */
void rf_service_untold(struct rf_service *);
/* One that counted as unknown was told. */
void rf_service_paid(struct rf_service *);
/* It went away, perhaps without having read that. */
void rf_service_unpaid(struct rf_service *);
/* All clients there are were told of all losses: the answer was sent. */
void rf_service_told(struct rf_service *);

/* The export's own part of the counters (clients, client_errors) is written by it. */
struct rf_stats_service *rf_service_stats(struct rf_service *);

/* Arena space: whole 4 KiB pages, contiguous, at most 1 MiB. -ENOMEM: try again
 * after a done(). The pointer is the export's own view of it. */
int   rf_arena_alloc(struct rf_service *, uint32_t length, uint64_t *arena);
void  rf_arena_free(struct rf_service *, uint64_t arena, uint32_t length);
void *rf_arena_at(struct rf_service *, uint64_t arena);
/* Bytes an allocation of this length takes: the next power of two of pages. */
uint32_t rf_arena_size(uint32_t length);

/* Takes the request: 0. -EINVAL: outside the disk or its units, -EROFS,
 * -EOPNOTSUPP, -EIO: the device is gone. Then done() is not called. It is held back
 * inside while it overlaps an older discard, zero or write, while the table is full or no driver
 * runs. */
int rf_service_submit(struct rf_service *, struct rf_io *);

/* Publishes what was submitted and kicks the driver if it sleeps. */
void rf_service_flush(struct rf_service *);

/* Takes responses, calls done(). Number of completions. */
int rf_service_poll(struct rf_service *);

/* Call when RF_EXPORT_FD_CONTROL is readable. 0, -EPIPE: the device process is
 * gone, -EPROTO: it said what cannot be, -ESTALE: the disk is another one than before, both after
 * one line in the log. An export ends on each; one with other devices drops this one instead,
 * unless its device process is gone. */
int rf_service_control(struct rf_service *);
/* The disk is gone for good: all that is under way and all that comes fails with EIO. */
void rf_service_drop(struct rf_service *);

/* Before blocking: asks the driver for kicks. False: there is work, do not block. */
bool rf_service_sleep(struct rf_service *);
/* After blocking: drains the kick eventfd (if it was readable). */
void rf_service_wake(struct rf_service *, bool kicked);
/* Looks whether the driver moves, and at request ages. Call it after each sleep that
 * rf_service_patience() bounded, and as often (5 ms) while there is no time to sleep. */
void rf_service_tick(struct rf_service *);
/* Most milliseconds to sleep; -1: nothing is in flight, and an event will tell. */
int rf_service_patience(const struct rf_service *);

#endif
