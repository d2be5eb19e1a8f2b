/* SPDX-License-Identifier: MIT */
/*
 * rate_limit.h - how much a disk's clients may ask for in a second: part of two wires.
 *
 * Room:   sandbox/proto.
 * Wire:   part of the records of config.h and export_config.h.
 * Writes: rf-config, out of the operator's file; the supervisor passes it on.
 * Reads:  the export.
 * Believed: once its ranges are checked (config_check.h).
 * Bucket: one of `burst` tokens, full at first, gets `rate` tokens a second. A request takes one of
 *         the bucket of requests, a read or write as many as it has bytes of that of bytes. It
 *         waits until they are there; for one larger than the whole bucket this is when the bucket
 *         is full, and it owes the rest. So in t seconds there pass at most burst + rate * t, or
 *         one request more where it is larger than the bucket.
 */
#ifndef RF_RATE_LIMIT_H
#define RF_RATE_LIMIT_H

#include <stdint.h>

#define RF_RATE_MOST (1ull << 40) /* of either number */
/* The bucket holds what comes in 10 ms at least: an export sleeps for whole milliseconds, and
 * a smaller one would be full before it looks again. */
#define RF_BURST_LEAST(rate) (((rate) + 99) / 100)
#define RF_BURST_BYTES       4096u /* and as much as a block of any disk */

struct rf_rate {
	uint64_t rate;  /* a second; 0: no limit, */
	uint64_t burst; /* then 0, too */
};

struct rf_limits {
	struct rf_rate requests, bytes;
};

#endif
