/* SPDX-License-Identifier: MIT */
/*
 * boot.h - what a driver process finds when its first instruction runs.
 *
 * Room:   sandbox/abi. Written by the device process and the launcher, read by
 *         the driver, which has it mapped read-only.
 * Entry:  void rf_driver_start(const struct rf_boot *) with the System V calling
 *         convention, a 16-byte aligned stack and FS set up. It never returns.
 */
#ifndef RF_BOOT_H
#define RF_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "net.h"
#include "net_types.h"

#define RF_BOOT_MAGIC   0x746f6f6265636672ull
#define RF_BOOT_VERSION 3u
#define RF_MAX_QUEUES   8u
#define RF_PAGE         4096u

/* The whole fd table of a driver. Each is an eventfd, named in the policy. */
#define RF_FD_WAKE   0 /* read: interrupts of the device and kicks of the service */
#define RF_FD_KICK   1 /* write 1: wakes the service */
#define RF_FD_DEVICE 2 /* write 1: re-arms INTx, or wakes a software device; only with one
                          of the flags below */

/* rf_boot.flags */
#define RF_BOOT_INTX     0x1u /* level interrupt: write RF_FD_DEVICE before each sleep */
#define RF_BOOT_DOORBELL 0x2u /* a doorbell is memory: after ringing it, write RF_FD_DEVICE if
                                 the queue's `asleep` says so */

/* Bits of the word at rf_boot_queue.asleep, set by the device before it sleeps. */
#define RF_ASLEEP        0x1u /* wake it when requests were submitted */
#define RF_ASLEEP_BLOCKED 0x2u /* wake it when completions were taken, too: it waits for room */

/* One queue of the device and the channel that feeds it. Addresses are the
 * driver's own virtual ones unless the name says iova. */
struct rf_boot_queue {
	uint64_t chan;      /* struct rf_blk_chan or rf_net_chan */
	uint64_t mem;       /* queue memory (descriptors), zeroed, driver-writable */
	uint64_t mem_iova;  /* the same bytes as the device addresses them */
	uint64_t mem_bytes;
	uint64_t regs;      /* first register of this queue's window (NVMe: SQ tail doorbell) */
	uint64_t asleep;    /* uint32_t, RF_ASLEEP*; 0: there is none, so wake the device after
	                       each submission */
	uint64_t param[4];  /* meaning by driver, see drivers/hw/ */
	uint64_t number;    /* which of the device's queues it is, from 0 */
};

struct rf_boot {
	uint64_t magic;
	uint32_t version;
	uint32_t generation; /* of this process; goes into every response */
	_Atomic uint32_t go; /* launcher: wait until it equals `generation` */
	uint32_t queue_count;
	uint32_t flags;       /* RF_BOOT_* */
	uint32_t reserved;

	uint64_t tsc_hz;      /* 0: unknown, do not spin */
	uint64_t spin_cycles; /* poll this long before sleeping; ~0: never sleep */

	uint64_t arena;       /* data arena, or 0: not mapped in this process */
	uint64_t arena_iova;
	uint64_t arena_bytes;

	uint64_t config;      /* snapshot of config space, or 0 */
	uint64_t config_bytes;

	struct rf_blk_info   blk; /* of a block driver */
	struct rf_net_info   net; /* of a net driver */
	struct rf_boot_queue queue[RF_MAX_QUEUES];
};
_Static_assert(sizeof(struct rf_boot) <= RF_PAGE, "the boot record is one page");

#endif
