/* SPDX-License-Identifier: MIT */
/*
 * export.h - what a device process and the export of its device say to each other.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, one struct rf_svc_msg a packet, no fds.
 * Writes: both.
 * Reads:  both.
 * Believed: a type, a size and a generation only as far as they fit: a process that was taken over
 *         must not take over the next one.
 * Queue:  a generation is the number of a driver, which names its queue (driver_number.h). INFO,
 *         GONE, PING and LINK are about the device.
 */
#ifndef RF_EXPORT_H
#define RF_EXPORT_H

#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "identity.h"
#include "net.h"
#include "net_types.h"

enum rf_svc_type {
	/* device -> export */
	/* info or net, queues: disk or interface is known; sent once before the first UP */
	RF_SVC_INFO = 1,
	RF_SVC_DOWN,      /* generation: that driver executes nothing more. Drain its ring,
	                     prepare the successor's half (half) with what is in flight */
	RF_SVC_UP,        /* generation, half: that driver runs (or is about to) */
	RF_SVC_GONE,      /* the device will not come back: fail everything with -EIO */
	RF_SVC_QUIESCED,  /* generation: the device no longer touches memory on behalf of it;
	                     sent between DOWN and UP. value 1: the reset may have dropped
	                     the volatile write cache */
	RF_SVC_PING,      /* value: goes into the statistics */
	RF_SVC_LINK,      /* net: value enum rf_net_link: the cable was pulled, or is in again */
	/* export -> device */
	RF_SVC_PROTO_ERROR, /* generation, value enum rf_proto_error: kill it */
	RF_SVC_PREPARED,    /* generation: answer to DOWN; the half of this successor is ready, it
	                     may run once the device is quiet */
	RF_SVC_STALL,        /* generation: oldest request in flight is older than allowed */
	RF_SVC_UNRESPONSIVE, /* generation: kicked, and its heartbeat did not move up to at_ns;
	                     value: number of the kick. Sent again while that is so */
	RF_SVC_LOOK,      /* generation: its driver moves and gets nothing done for a while: is the
	                     device as it was left? May be lost: it is asked again and again */
};

enum rf_proto_error {
	RF_BAD_NONE,
	RF_BAD_INDEX,      /* a ring index that cannot be */
	RF_BAD_TAG,        /* a response for no request, or one answered already */
	RF_BAD_GENERATION, /* a response under another generation */
	RF_BAD_STATUS,     /* a status no driver may give */
	RF_BAD_BUFFER,     /* net: a buffer it does not have */
	RF_BAD_FRAME,      /* net: a frame that cannot be */
	RF_BAD_WAKE,       /* its wake-up eventfd is full: whoever else holds it did that */
};

struct rf_svc_msg {
	uint32_t type; /* enum rf_svc_type */
	uint32_t generation;
	uint32_t half; /* 0 or 1: which half of its queue's rings and memory */
	uint32_t value;
	uint64_t at_ns; /* UNRESPONSIVE: CLOCK_MONOTONIC */
	uint32_t queues; /* INFO: those that are used; those above have no driver */
	uint32_t reserved;
	struct rf_blk_info info; /* block service */
	struct rf_net_info net;  /* net service */
	struct rf_identity disk; /* block service */
};

#endif
