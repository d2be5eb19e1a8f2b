/* SPDX-License-Identifier: MIT */
/*
 * crash.h - what is put together about a driver that died: its bundle.
 *
 * Room:   sandbox/proto. Read by rf-scribe, which writes the bundle and holds nothing else.
 * Parts:  the supervisor sends struct rf_death, with the fds of enum rf_death_fd; export and
 *         device process leave what they saw in the memory of stats.h, in the slot
 *         generation % RF_AUTOPSY_SLOTS, `generation` written last.
 * Trust:  ring records, register notes, registers and stack are a driver's own bytes: they are
 *         printed as numbers and nothing follows from them.
 */
#ifndef RF_AUTOPSY_H
#define RF_AUTOPSY_H

#include <stdatomic.h>
#include <stdint.h>

#include "block.h"
#include "net.h"
#include "stats.h"

/* Fds rf-scribe starts with, besides its log (2). */
enum rf_scribe_fd {
	RF_SCRIBE_FD_CONTROL = 3,
	RF_SCRIBE_FD_DIR,  /* where bundles go */
	RF_SCRIBE_FD_KMSG, /* the kernel's log, or /dev/null */
	RF_SCRIBE_FDS
};
enum rf_death_fd { RF_DEATH_FD_STATS, RF_DEATH_FD_IMAGE, RF_DEATH_FDS };

#define RF_DEATH_REGS  27 /* struct user_regs_struct */
#define RF_DEATH_STACK 32 /* words from the stack pointer on */

struct rf_death {
	uint64_t seq;        /* counts what was sent, or could not be */
	uint32_t generation;
	uint32_t stack_words;
	char     device[16], driver[64], policy[64];
	char     why[32];    /* crash, hang, ... */
	char     words[512]; /* the line of the log */
	char     json[1024]; /* the line of deaths.jsonl */
	uint64_t image, image_bytes; /* where it was mapped; 0: it never ran */
	uint64_t regs[RF_DEATH_REGS]; /* zeroes: no stop came */
	uint64_t stack[RF_DEATH_STACK];
};

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
