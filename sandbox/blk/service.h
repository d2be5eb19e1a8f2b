/* SPDX-License-Identifier: MIT */
/*
 * service.h - what the exports that are shipped ask of the block engine besides the calls of
 * libringfence: several devices in one process, and who of many clients hears of a loss.
 *
 * Room:   sandbox/blk, trusted, unprivileged. The only room that reads what a driver wrote.
 */
#ifndef RF_SERVICE_H
#define RF_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "blk_io.h"
#include "block.h"
#include "export_config.h"
#include "ringfence.h"

struct rf_stats_service;

/* As rf_blk_open(), with every fd's number higher by `up`. */
int rf_blk_open_at(struct rf_blk **out, int up);
const struct rf_export_config *rf_blk_config(const struct rf_blk *);

/* It is a disk that cannot be served as the configuration has it, which was logged: for an export
 * with other devices, which drops it. One without has ended (RF_EXIT_INTEGRITY). */
bool rf_blk_refused(const struct rf_blk *);
/* The disk is gone for good: all that is under way and all that comes fails with EIO. */
void rf_blk_drop(struct rf_blk *);

/* Times the device may have lost acknowledged, unflushed writes. The service fails one
 * flush for each, unless the export tells each of its clients by comparing: it says so, once,
 * before its first client. */
uint32_t rf_blk_losses(const struct rf_blk *);
void rf_blk_reports_losses(struct rf_blk *);
/* Of these, how many a client that connects now was told of; unknown, if it may be one that
 * went away, or whose export died, before it could be told. */
#define RF_LOSSES_UNKNOWN (~0u)
uint32_t rf_blk_losses_reported(struct rf_blk *);
/* Number of the newest write that was acknowledged and that only a flush makes safe. */
uint64_t rf_blk_acked(const struct rf_blk *);
/* A client went away; `wrote`: rf_blk_acked() at its last write, 0: it wrote nothing. */
void rf_blk_left(struct rf_blk *, uint64_t wrote);
/* A client went away without having been told. */
void rf_blk_loss_unreported(struct rf_blk *);
/* There is news that one client was not told yet, though it may have heard of all losses. */
void rf_blk_loss_to_report(struct rf_blk *);
/* One that counted as unknown was told. */
void rf_blk_loss_reported(struct rf_blk *);
/* It went away, perhaps without having read that. */
void rf_blk_loss_report_lost(struct rf_blk *);
/* All clients there are were told of all losses: the answer was sent. */
void rf_blk_losses_all_reported(struct rf_blk *);

/* The export's own part of the counters (clients, client_errors) is written by it. */
struct rf_stats_service *rf_blk_stats(struct rf_blk *);

/* Bytes that rf_blk_alloc() takes for this length: the next power of two of pages. */
uint32_t rf_arena_size(uint32_t length);

#endif
