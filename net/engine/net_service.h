/* SPDX-License-Identifier: MIT */
/*
 * net_service.h - the net service: one interface behind a driver nobody believes.
 *
 * Room:   net/engine, trusted, unprivileged. It and the block service are the
 *         only rooms that read what a driver wrote.
 * Use:    single-threaded; no call blocks. A turn of an export:
 *           rf_net_rx()       frames, checked; use their bytes; rf_net_rx_done()
 *           rf_net_tx_room()  then rf_net_tx_alloc(), fill, rf_net_tx(), as often as it says
 *           rf_net_push()    once: the driver sees all of it
 *         Nothing to do: rf_net_sleep(), block, rf_net_wake().
 * Trust:  the records rf_net_rx() gives are private copies, and what they say was checked.
 *         The bytes of a frame are not: they may change as long as they lie in the arena.
 *         Copy them out (a system call does) before a check whose result is relied on.
 * Death:  a driver that dies takes the frames with it that it had not reported as sent;
 *         they are counted (lost_tx), never sent again. What was received stays.
 */
#ifndef RF_NET_SERVICE_H
#define RF_NET_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "net.h"
#include "stats.h"

struct rf_net; /* opaque */

/* Maps the fds of enum rf_export_fd, of which the first (RF_EXPORT_FD_CONTROL) has the
 * number `first`: a process may serve several devices. 0, or -errno after one line. */
int rf_net_open(struct rf_net **out, int first);
const struct rf_export_config *rf_net_config(const struct rf_net *);

/* The interface, or NULL as long as the device process has not said, or the arena may
 * still be read by what a dead export had sent. */
const struct rf_net_info *rf_net_info(const struct rf_net *);
/* Does a driver run, so that looking again at once may find something? */
bool rf_net_up(const struct rf_net *);
/* Of the driver that runs, or ran last: another one has lost what was given to this. */
uint32_t rf_net_generation(const struct rf_net *);
/* The device will not come back. */
bool rf_net_gone(const struct rf_net *);
/* Its device process said what cannot be (rf_net_control()): it is GONE for good. */
void rf_net_drop(struct rf_net *);
/* Is the cable in? Stays as it was while a driver is replaced. */
bool rf_net_carrier(const struct rf_net *);

/* The export's own view of a place in the arena, in units of RF_NET_UNIT. */
void *rf_net_at(const struct rf_net *, uint32_t at);

/*
 * Received frames, whole ones: all parts of a frame follow each other. Number of records,
 * at most `max`, which is RF_NET_PARTS or more. The buffers are the export's until
 * rf_net_rx_done(), over the death of the driver, too.
 */
unsigned rf_net_rx(struct rf_net *, struct rf_net_frame *out, unsigned max);
void rf_net_rx_done(struct rf_net *, const struct rf_net_frame *frames, unsigned n);

/* Records rf_net_tx() takes for sure right now; looks for slots that came back if there
 * are fewer than `want`. */
unsigned rf_net_tx_room(struct rf_net *, unsigned want);
/* A buffer of rf_net_tx_bytes() bytes, or 0: none is free, ask again when slots came back. */
uint32_t rf_net_tx_alloc(struct rf_net *);
uint32_t rf_net_tx_bytes(const struct rf_net *);
/* One that was not sent after all. */
void rf_net_tx_free(struct rf_net *, uint32_t at);
/*
 * Sends one record. Further parts of a frame only if RF_NET_HAS_SG, and there must be room
 * for all of them before the first. 0: the buffer is the service's again, when it is sent.
 * -EINVAL: the frame is none the device can send; still the caller's.
 */
int rf_net_tx(struct rf_net *, const struct rf_net_frame *frame);
/* One that the export itself refuses is counted with those. */
void rf_net_tx_refuse(struct rf_net *);
/* Sends frames out of rf_net_rx() as they are, without a copy. Records taken: fewer if
 * there is no room; the rest is still the caller's. Only frames of one part. */
unsigned rf_net_forward(struct rf_net *, const struct rf_net_frame *frames, unsigned n);
/* The same bytes again and again: sends a buffer of rf_net_tx_alloc() that stays the
 * caller's, who leaves it unchanged. For load generators. Records taken. */
unsigned rf_net_inject(struct rf_net *, const struct rf_net_frame *frame, unsigned n);

/* Lets the driver see all of it, and kicks it if it sleeps. */
void rf_net_push(struct rf_net *);

/* Call when RF_EXPORT_FD_CONTROL is readable. 0, -EPIPE: the device process is gone,
 * -EPROTO: it said what cannot be, after one line in the log. An export ends on either. */
int rf_net_control(struct rf_net *);

/* Before blocking: asks the driver for kicks; with `tx`, for slots that come back, too.
 * False: there is work, do not block. */
bool rf_net_sleep(struct rf_net *, bool tx);
/* After blocking: drains the kick eventfd (if it was readable). */
void rf_net_wake(struct rf_net *, bool kicked);
/* Link, signs of life, counters; call it after each sleep that rf_net_patience() bounded,
 * and as often (5 ms) while there is no time to sleep. */
void rf_net_tick(struct rf_net *);
/* Most milliseconds to sleep before the next tick. */
int rf_net_patience(const struct rf_net *);

/* The export's own part of the counters is written by it. */
struct rf_stats_net *rf_net_stats(struct rf_net *);

/* sum.c: the checksum a frame of one part asks for by RF_NET_CSUM, in software. */
void rf_net_sum_fill(void *frame, uint32_t length, uint32_t csum_start, uint32_t csum_offset);

#endif
