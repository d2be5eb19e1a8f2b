/* SPDX-License-Identifier: MIT */
/*
 * capture.h - what export and device process last saw of a driver that died.
 *
 * Room:   sandbox/proto.
 * Wire:   slots in the memory of stats.h, by generation % RF_CAPTURE_SLOTS; `generation` is
 *         written last.
 * Writes: the export (struct rf_capture_service or _net), the device process (_device).
 * Reads:  rf-crash.
 * Believed: nothing. Records of rings, notes of registers and the registers themselves are a
 *         driver's own bytes: they are printed as numbers and nothing follows from them.
 */
#ifndef RF_CAPTURE_H
#define RF_CAPTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include "block.h"
#include "net.h"
#include "net_types.h"
#include "stats.h"

#define RF_CAPTURE_SLOTS   8u
#define RF_CAPTURE_TAIL    16u /* records of a ring */
#define RF_CAPTURE_REGS    8u
#define RF_CAPTURE_SERVICE 393216u /* offsets in the stats memfd */
#define RF_CAPTURE_NET     458752u
#define RF_CAPTURE_DEVICE  917504u

/* Of a block driver. */
struct rf_capture_service {
	_Atomic uint32_t generation;
	uint32_t req_tail, resp_tail; /* how many were ever put into each ring */
	uint64_t heartbeat;
	struct rf_blk_req  req[RF_CAPTURE_TAIL];  /* by index % RF_CAPTURE_TAIL */
	struct rf_blk_resp resp[RF_CAPTURE_TAIL];
	uint64_t mmio[RF_BLK_MMIO];
};

/* Of a net driver. */
struct rf_capture_net {
	_Atomic uint32_t generation;
	uint32_t tx_tail, tx_head, rx_tail; /* records ever put into tx, given back, put into rx */
	uint64_t heartbeat;
	struct rf_net_frame tx[RF_CAPTURE_TAIL]; /* by index % RF_CAPTURE_TAIL */
	struct rf_net_frame rx[RF_CAPTURE_TAIL];
};

/* Before the reset. */
struct rf_capture_device {
	_Atomic uint32_t generation;
	uint32_t count;
	struct { uint32_t bar, offset, bytes, value; } reg[RF_CAPTURE_REGS];
};
_Static_assert(RF_CAPTURE_SERVICE + RF_CAPTURE_SLOTS * sizeof(struct rf_capture_service) <=
	       RF_CAPTURE_NET, "the block service's part fits");
_Static_assert(RF_CAPTURE_NET + RF_CAPTURE_SLOTS * sizeof(struct rf_capture_net) <= RF_STATS_DEVICE,
	       "the net service's part fits");
_Static_assert(RF_CAPTURE_SERVICE >= RF_STATS_NET + sizeof(struct rf_stats_net),
	       "is behind the counters");
_Static_assert(RF_CAPTURE_DEVICE >= RF_STATS_DEVICE + sizeof(struct rf_stats_device), "likewise");
_Static_assert(RF_CAPTURE_DEVICE + RF_CAPTURE_SLOTS * sizeof(struct rf_capture_device) <=
		       RF_STATS_BYTES,
	       "the device process's part fits");

#endif
