/* SPDX-License-Identifier: MIT */
/*
 * export_config.h - what an export starts with: its fds, and the record of what it is to do.
 *
 * Room:   sandbox/proto.
 * Wire:   inherited fds; the record is in a memfd, RF_EXPORT_FD_CONFIG.
 * Writes: the supervisor, out of configuration and policy.
 * Reads:  the export, once.
 * Believed: all of it but strings, which the export ends itself.
 */
#ifndef RF_EXPORT_CONFIG_H
#define RF_EXPORT_CONFIG_H

#include <stdint.h>

#include "rate_limit.h"

/* Size of the memfd the in-flight table lives in: room for that of RF_MAX_QUEUES. */
#define RF_TABLE_BYTES 135168u

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
	X(WAKE0, WAKE0)             /* eventfd, write: wakes queue 0's driver of half 0, */    \
	X(WAKE1, WAKE1)             /* and of half 1; more queues: rf_export_wake() */         \
	X(LISTEN, LISTEN)           /* listening stream socket, or /dev/null */

enum rf_export_fd {
	RF_EXPORT_FD_BEFORE = 2,
#define RF_EXPORT_FD_NUMBER(name, held) RF_EXPORT_FD_##name,
	RF_EXPORT_FD_LIST(RF_EXPORT_FD_NUMBER)
#undef RF_EXPORT_FD_NUMBER
	RF_EXPORT_FDS,
	/* Of queue 1, half 0 and 1, of queue 2 and so on: 16 numbers that one line of a system
	 * call list can name. */
	RF_EXPORT_FD_MORE_WAKES = 16
};
_Static_assert(RF_EXPORT_FDS <= RF_EXPORT_FD_MORE_WAKES, "they lie behind the list's");

/* The eventfd of the driver of this queue in this half. */
static inline int rf_export_wake(uint32_t queue, uint32_t half)
{
	return (queue ? RF_EXPORT_FD_MORE_WAKES + 2 * ((int)queue - 1) : RF_EXPORT_FD_WAKE0) +
	       (int)half;
}

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
	uint32_t queues;      /* most it may have; drivers count by it (driver_number.h) */
	uint64_t arena_bytes;
	uint64_t spin_ns;     /* poll this long before sleeping; 0: sleep at once */
	uint64_t stall_ns;    /* age of a request that is a stall; 0: never */
	uint64_t slow_ns;     /* the same of a discard or zeroing, and of what waits beside one */
	uint64_t nudge_ns;    /* nothing done for so long: the driver is kicked; 0: never */
	uint64_t integrity_key[2];
	struct rf_limits limit, client_limit; /* NBD: of the disk, and of each client */
	char     name[64];    /* export name, shown to clients */
	char     words[256];  /* 'export program': what stands behind its path */
};

#endif
