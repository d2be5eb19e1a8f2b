/* SPDX-License-Identifier: MIT */
/*
 * stats.h - numbers the unprivileged trusted processes leave for `status`.
 *
 * Room:   sandbox/proto.
 * Wire:   a memfd: struct rf_stats_service at 0, struct rf_stats_net at RF_STATS_NET, struct
 *         rf_stats_device at RF_STATS_DEVICE.
 * Writes: the export, the first two; the device process, the third.
 * Reads:  `ringfence status`, rf-crash and tests; the supervisor, to see progress.
 * Believed: numbers only, which are printed. The supervisor compares `completed` and the answers to
 *         its pings, and nothing follows from them but for their own device.
 * Units:  times are CLOCK_MONOTONIC nanoseconds; 0 means "not yet".
 */
#ifndef RF_STATS_H
#define RF_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "boot.h"
#include "histogram.h"

#define RF_STATS_LOG    4096u /* recoveries kept, by generation modulo this */
#define RF_STATS_DEVICE 524288u
#define RF_STATS_BYTES  1048576u

struct rf_recovery_service {
	uint32_t generation;   /* of the driver that died */
	uint32_t inflight;     /* requests in flight when it was declared dead */
	uint32_t reissued;     /* of these, handed to the successor */
	uint32_t drained;      /* of these, found completed in the dead driver's ring */
	uint64_t down_ns;      /* told so by the device process */
	uint64_t first_io_ns;  /* first completion by the device of a reissued request */
};

/* Of one queue, by its export; what is not here is counted for the device. */
struct rf_stats_queue {
	_Atomic uint64_t completed, reissued;
	_Atomic uint32_t inflight, generation;
	_Atomic uint32_t counted; /* generation whose death is in step[], the newest */
};

/* rf_stats_service.latency: of one request in RF_LATENCY_ONE_IN, see sandbox/blk/latency.h */
enum rf_latency_class {
	RF_LATENCY_READ,
	RF_LATENCY_WRITE,
	RF_LATENCY_FLUSH,
	RF_LATENCY_OTHER, /* discards and zeroings */
	RF_LATENCIES
};
#define RF_LATENCY_ONE_IN 128u

/* rf_stats_service.step: of each recovery; 0 ns: it was done before it was waited for */
enum rf_recovery_step {
	RF_STEP_DETECT,   /* the keeper saw the driver's end -> its device process knew of it */
	RF_STEP_QUIESCE,  /* -> the device is confirmed silent */
	RF_STEP_SPAWN,    /* its device process knew -> a successor is there */
	RF_STEP_ENABLE,   /* both of these -> the device is enabled, the successor let go */
	RF_STEP_FIRST_IO, /* -> the device's first answer to a request that was in flight, */
	RF_STEP_WHOLE,    /* and this since the driver's end */
	RF_STEPS
};

/* All queues together; `generation` is that of queue 0. */
struct rf_stats_service {
	_Atomic uint64_t submitted, completed, bytes_read, bytes_written;
	_Atomic uint64_t failed;     /* completed with an error */
	_Atomic uint64_t reissued, violations, stalls, held_back, clients;
	_Atomic uint64_t client_errors; /* requests answered to a client with an error */
	_Atomic uint64_t clients_cut;   /* cut off because they did not get on */
	_Atomic uint64_t nudges;        /* kicks of a driver that got nothing done for a while */
	_Atomic uint64_t nudges_helped; /* of these, at once followed by an answer */
	_Atomic uint64_t corrupt;       /* reads whose data was not what it must be, see
	                                   sandbox/blk/integrity/integrity_store.h */
	_Atomic uint32_t inflight, generation;
	_Atomic uint32_t pong;          /* the last number its supervisor asked it by */
	struct rf_recovery_service log[RF_STATS_LOG]; /* [generation % RF_STATS_LOG] */
	struct rf_stats_queue queue[RF_MAX_QUEUES];   /* of a disk */
	struct rf_histogram latency[RF_LATENCIES]; /* disks */
	struct rf_histogram step[RF_STEPS];
	_Atomic uint64_t throttled;    /* times a client waited for a limit, */
	_Atomic uint64_t throttled_ns; /* and how long, all together */
};

/* The net service's own counters. In struct rf_stats_service it fills `completed` (frames
 * either way, for the restart budget), `bytes_read` and `bytes_written`, `violations`, `stalls`,
 * `generation`, step[], and in log[]: inflight (frames handed to the dead driver and not reported
 * sent: all of them lost), drained (records received by it and kept), first_io_ns. */
struct rf_stats_net {
	_Atomic uint64_t rx_frames, rx_bytes;
	_Atomic uint64_t rx_bad;     /* malformed or longer than the MTU allows: dropped */
	_Atomic uint64_t rx_dropped; /* by device or driver, as the driver tells */
	_Atomic uint64_t tx_frames, tx_bytes; /* handed to a driver */
	_Atomic uint64_t tx_done;    /* of these, reported as sent */
	_Atomic uint64_t lost_tx;    /* of these, under way at a death: tx_frames - tx_done - these
	                                are under way now */
	/* of the export's, not handed on: the device cannot send them */
	_Atomic uint64_t tx_refused;
	_Atomic uint64_t rx_lost_export; /* by the export: its consumer did not take them, or what a
	                                    driver says of a glued frame is not so */
	_Atomic uint64_t
		tx_software; /* by the export itself: checksums and segments, of frames whose
	                                 headers are longer than devices can say */
	_Atomic uint32_t link;       /* enum rf_net_link */
	_Atomic uint32_t speed, mtu; /* Mbit/s, bytes */
	uint8_t          mac[8];
};
#define RF_STATS_NET 262144u /* behind struct rf_stats_service */

/* rf_recovery_device.method: what made the device quiet, the harder the later */
enum rf_reset_method {
	RF_RESET_NONE,
	RF_RESET_QUEUE, /* the dead driver's queue pair was taken away; the device goes on */
	RF_RESET_SOFT,
	RF_RESET_FUNCTION,
	RF_RESET_HOT,
};

struct rf_recovery_device {
	uint32_t generation;  /* of the driver that died */
	uint32_t method;      /* enum rf_reset_method: the one that worked */
	uint64_t detect_ns;   /* the death was seen */
	uint64_t quiesced_ns; /* device confirmed silent */
	uint64_t spawned_ns;  /* successor there and locked (standby: before detect_ns) */
	uint64_t enabled_ns;  /* queues there, successor let go */
};

struct rf_stats_device {
	_Atomic uint32_t generation; /* of queue 0's driver, running now or last; 0: none yet */
	_Atomic uint32_t recoveries;
	_Atomic uint32_t pong;       /* as of struct rf_stats_service */
	_Atomic uint32_t losses;     /* times the device may have lost a write cache */
	_Atomic uint32_t written_back; /* 1: at its orderly end it said that its cache is empty */
	struct rf_recovery_device log[RF_STATS_LOG];
	/* of each queue's driver, running now or last; 0: none yet */
	_Atomic uint32_t up[RF_MAX_QUEUES];
	/* when the keeper saw the driver of that generation end; 0: it did not */
	_Atomic uint64_t ended_ns[RF_STATS_LOG];
};
_Static_assert(sizeof(struct rf_stats_service) <= RF_STATS_NET, "net part is behind it");
_Static_assert(sizeof(struct rf_stats_net) <= RF_STATS_DEVICE - RF_STATS_NET, "net part fits");
_Static_assert(sizeof(struct rf_stats_service) <= RF_STATS_DEVICE, "service part fits");
_Static_assert(sizeof(struct rf_stats_device) <= RF_STATS_BYTES - RF_STATS_DEVICE,
	       "device part fits");

#endif
