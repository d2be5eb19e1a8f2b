/* SPDX-License-Identifier: MIT */
/*
 * autopsy.h - what export and device process last saw of a driver that died.
 *
 * Room:   sandbox/proto.
 * Wire:   slots in the memory of stats.h, by generation % RF_AUTOPSY_SLOTS; `generation` is
 *         written last.
 * Writes: the export (struct rf_autopsy_service or _net), the device process (_device).
 * Reads:  rf-scribe.
 * Believed: nothing. Records of rings, notes of registers and the registers themselves are a
 *         driver's own bytes: they are printed as numbers and nothing follows from them.
 */
#ifndef RF_AUTOPSY_H
#define RF_AUTOPSY_H

#include <stdatomic.h>
#include <stdint.h>

#include "block.h"
#include "net.h"
#include "stats.h"

#define RF_AUTOPSY_SLOTS   8u
#define RF_AUTOPSY_TAIL    16u /* records of a ring */
#define RF_AUTOPSY_REGS    8u
#define RF_AUTOPSY_SERVICE 393216u /* offsets in the stats memfd */
#define RF_AUTOPSY_NET     458752u
#define RF_AUTOPSY_DEVICE  917504u

/* Of a block driver. */
struct rf_autopsy_service {
	_Atomic uint32_t generation;
	uint32_t req_tail, resp_tail; /* how many were ever put into each ring */
	uint64_t heartbeat;
	struct rf_blk_req  req[RF_AUTOPSY_TAIL];  /* by index % RF_AUTOPSY_TAIL */
	struct rf_blk_resp resp[RF_AUTOPSY_TAIL];
	uint64_t mmio[RF_BLK_MMIO];
};

/* Of a net driver. */
struct rf_autopsy_net {
	_Atomic uint32_t generation;
	uint32_t tx_tail, tx_head, rx_tail; /* records ever put into tx, given back, put into rx */
	uint64_t heartbeat;
	struct rf_net_frame tx[RF_AUTOPSY_TAIL]; /* by index % RF_AUTOPSY_TAIL */
	struct rf_net_frame rx[RF_AUTOPSY_TAIL];
};

/* Before the reset. */
struct rf_autopsy_device {
	_Atomic uint32_t generation;
	uint32_t count;
	struct { uint32_t bar, offset, bytes, value; } reg[RF_AUTOPSY_REGS];
};
_Static_assert(RF_AUTOPSY_SERVICE + RF_AUTOPSY_SLOTS * sizeof(struct rf_autopsy_service) <=
	       RF_AUTOPSY_NET, "the block service's part fits");
_Static_assert(RF_AUTOPSY_NET + RF_AUTOPSY_SLOTS * sizeof(struct rf_autopsy_net) <= RF_STATS_DEVICE,
	       "the net service's part fits");
_Static_assert(RF_AUTOPSY_SERVICE >= RF_STATS_NET + sizeof(struct rf_stats_net),
	       "is behind the counters");
_Static_assert(RF_AUTOPSY_DEVICE >= RF_STATS_DEVICE + sizeof(struct rf_stats_device), "likewise");
_Static_assert(RF_AUTOPSY_DEVICE + RF_AUTOPSY_SLOTS * sizeof(struct rf_autopsy_device) <=
		       RF_STATS_BYTES,
	       "the device process's part fits");

#endif
