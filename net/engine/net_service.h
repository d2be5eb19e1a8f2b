/* SPDX-License-Identifier: MIT */
/*
 * net_service.h - what the exports that are shipped ask of the net engine besides the calls of
 * libringfence.
 *
 * Room:   net/engine, trusted, unprivileged. It and the block engine are the only rooms that
 *         read what a driver wrote.
 */
#ifndef RF_NET_SERVICE_H
#define RF_NET_SERVICE_H

#include <stdint.h>

#include "export_config.h"
#include "net.h"
#include "ringfence.h"
#include "stats.h"

const struct rf_export_config *rf_net_config(const struct rf_net *);
/* Its device process said what cannot be (rf_net_control()): it is GONE for good. */
void rf_net_drop(struct rf_net *);
/* A frame that the export itself refuses is counted with those that rf_net_tx() does. */
void rf_net_tx_refuse(struct rf_net *);
/* The export's own part of the counters is written by it. */
struct rf_stats_net *rf_net_stats(struct rf_net *);

/* sum.c: the checksum a frame of one part asks for by RF_NET_CSUM, in software. */
void rf_net_sum_fill(void *frame, uint32_t length, uint32_t csum_start, uint32_t csum_offset);

#endif
