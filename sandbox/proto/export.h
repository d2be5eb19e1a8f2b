/* SPDX-License-Identifier: MIT */
/*
 * export.h - messages between the trusted processes of one device.
 *
 * Room:   sandbox/proto. SOCK_SEQPACKET, one message a packet, fds with it.
 * Trust:  both ends are ours, but a receiver still checks type and size: a
 *         process that was taken over must not take over the next one.
 *
 *   supervisor <-> device process   enum rf_dev_msg
 *   device process <-> export       enum rf_svc_msg
 */
#ifndef RF_CONTROL_H
#define RF_CONTROL_H

#include <stdint.h>

#include "block.h"
#include "identity.h"
#include "net.h"

/* ---- device process <-> export ------------------------------------------ */

enum rf_svc_type {
	/* device -> export */
	/* info or net: disk or interface is known; sent once before the first UP */
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
	RF_SVC_VIOLATION, /* generation, value enum rf_violation: kill it */
	RF_SVC_PREPARED,  /* generation: answer to DOWN; the half of this successor is ready, it
	                     may run once the device is quiet */
	RF_SVC_STALL,     /* generation: oldest request in flight is older than allowed */
	RF_SVC_SILENT,    /* generation: it was kicked and its heartbeat did not move up to at_ns;
	                     value: number of the kick. Sent again while that is so */
	RF_SVC_LOOK,      /* generation: its driver moves and gets nothing done for a while: is the
	                     device as it was left? May be lost: it is asked again and again */
};

enum rf_violation {
	RF_LIE_NONE,
	RF_LIE_INDEX,      /* a ring index that cannot be */
	RF_LIE_TAG,        /* a response for no request, or one answered already */
	RF_LIE_GENERATION, /* a response under another generation */
	RF_LIE_STATUS,     /* a status no driver may give */
	RF_LIE_BUFFER,     /* net: a buffer it does not have */
	RF_LIE_FRAME,      /* net: a frame that cannot be */
	RF_LIE_WAKE,       /* its wake-up eventfd is full: whoever else holds it did that */
};

struct rf_svc_msg {
	uint32_t type; /* enum rf_svc_type */
	uint32_t generation;
	uint32_t half; /* 0 or 1: which half of rings and queue memory */
	uint32_t value;
	uint64_t at_ns; /* SILENT: CLOCK_MONOTONIC */
	struct rf_blk_info info; /* block service */
	struct rf_net_info net;  /* net service */
	struct rf_identity disk; /* block service */
};

/* Size of the memfd the in-flight table lives in. */
#define RF_TABLE_BYTES 131072u

/* ---- fds of an export process --------------------------------------------- */

/*
 * Fixed numbers, from 3 on; all are there when it starts: X(what it is there, what the
 * supervisor keeps it as). Enum and supervisor are made of this one list, so that no number can
 * slip. The channel of (half, queue) lies at (half * queues + queue) * channel bytes.
 */
#define RF_EXPORT_FD_LIST(X)                                                                   \
	X(CONTROL, SVC_EXPORT)      /* SEQPACKET to the device process */                      \
	X(CONFIG, EXPORT_CONFIG)    /* memfd: struct rf_export_config */                       \
	X(DATA, DATA)               /* memfd: data arena */                                    \
	X(RINGS, RINGS)             /* memfd: 2 halves x queues x channel bytes, which are */  \
				    /* RF_BLK_CHAN_BYTES or RF_NET_CHAN_BYTES */               \
	X(TABLE, TABLE)             /* memfd: the in-flight table */                           \
	X(STATS, STATS)             /* memfd: struct rf_stats_service */                       \
	X(KICK, KICK)               /* eventfd, read: a driver wakes us */                     \
	X(WAKE0, WAKE0)             /* eventfd, write: wakes the driver of half 0, */          \
	X(WAKE1, WAKE1)             /* and of half 1 */                                        \
	X(LISTEN, LISTEN)           /* listening stream socket, or /dev/null */

enum rf_export_fd {
	RF_EXPORT_FD_BEFORE = 2,
#define RF_EXPORT_FD_NUMBER(name, held) RF_EXPORT_FD_##name,
	RF_EXPORT_FD_LIST(RF_EXPORT_FD_NUMBER)
#undef RF_EXPORT_FD_NUMBER
	RF_EXPORT_FDS
};

/* rf_export_config.flags */
#define RF_EXPORT_READ_ONLY  0x1u
#define RF_EXPORT_INTEGRITY_MEMORY 0x8u /* 'integrity memory' */
#define RF_EXPORT_INTEGRITY_DISK 0x10u /* 'integrity disk' */
#define RF_EXPORT_INTEGRITY_DISK_BYTES (96u << 20) /* memory for it, besides that of the arena */
#define RF_EXPORT_FORMAT_ADOPT 0x20u /* rf-format: what is on the disk stays */
#define RF_EXPORT_FORMAT_AGAIN 0x40u /* rf-format: although there is a checksum area */
struct rf_export_config {
	uint32_t flags;
	uint32_t service;     /* enum rf_service_kind */
	uint32_t queues;
	uint64_t arena_bytes;
	uint64_t spin_ns;     /* poll this long before sleeping; 0: sleep at once */
	uint64_t stall_ns;    /* age of a request that is a stall; 0: never */
	uint64_t slow_ns;     /* the same of a discard or zeroing, and of what waits beside one */
	uint64_t nudge_ns;    /* nothing done for so long: the driver is kicked; 0: never */
	uint64_t integrity_key[2];
	char     name[64];    /* export name, shown to clients */
	char     words[256];  /* 'export program': what stands behind its path */
};

#endif
