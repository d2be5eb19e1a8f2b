/* SPDX-License-Identifier: MIT */
/*
 * stats.h - numbers the unprivileged trusted processes leave for `status`.
 *
 * Room:   sandbox/base. A memfd of two pages-runs: the export writes struct
 *         rf_stats_service at 0, the device process struct rf_stats_device at
 *         RF_STATS_DEVICE. The supervisor and tests read them.
 * Trust:  numbers only; the supervisor prints them and compares `completed`.
 * Units:  times are CLOCK_MONOTONIC nanoseconds; 0 means "not yet".
 */
#ifndef RF_STATS_H
#define RF_STATS_H

#include <stdatomic.h>
#include <stdint.h>

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

struct rf_stats_service {
	_Atomic uint64_t submitted, completed, bytes_read, bytes_written;
	_Atomic uint64_t failed;     /* completed with an error */
	_Atomic uint64_t reissued, violations, stalls, held_back, clients;
	_Atomic uint64_t client_errors; /* requests answered to a client with an error */
	_Atomic uint32_t inflight, generation;
	struct rf_recovery_service log[RF_STATS_LOG]; /* [generation % RF_STATS_LOG] */
};

/* rf_recovery_device.method */
enum rf_reset_method { RF_RESET_NONE, RF_RESET_SOFT, RF_RESET_FUNCTION, RF_RESET_HOT };

struct rf_recovery_device {
	uint32_t generation;  /* of the driver that died */
	uint32_t method;      /* enum rf_reset_method: the one that worked */
	uint64_t detect_ns;   /* the death was seen */
	uint64_t quiesced_ns; /* device confirmed silent */
	uint64_t spawned_ns;  /* successor there and locked (standby: before detect_ns) */
	uint64_t enabled_ns;  /* queues there, successor let go */
};

struct rf_stats_device {
	_Atomic uint32_t generation; /* running now; 0: none */
	_Atomic uint32_t recoveries;
	struct rf_recovery_device log[RF_STATS_LOG];
};
_Static_assert(sizeof(struct rf_stats_service) <= RF_STATS_DEVICE, "service part fits");
_Static_assert(sizeof(struct rf_stats_device) <= RF_STATS_BYTES - RF_STATS_DEVICE, "device part fits");

#endif
