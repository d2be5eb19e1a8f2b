/* SPDX-License-Identifier: MIT */
/*
 * device_config.h - what a device process starts with: its fds, and the record of what it is to do.
 *
 * Room:   sandbox/proto.
 * Wire:   inherited fds; the record is in a sealed memfd, RF_DEVICE_FD_CONFIG.
 * Writes: the supervisor, out of configuration and policy.
 * Reads:  the device process, once.
 * Believed: all of it. The keeper checked the ranges before the supervisor had it
 *         (config_check.h). What the device then says of itself is not in it.
 */
#ifndef RF_DEVICE_CONFIG_H
#define RF_DEVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "exit_code.h"
#include "identity.h"
#include "namespace.h"
#include "net.h"
#include "net_types.h"

#define RF_MAX_STEPS   16
#define RF_MAX_WINDOWS 4
#define RF_NAME        32

enum rf_backend { RF_BACKEND_NONE, RF_BACKEND_VFIO, RF_BACKEND_VFIO_USER };
enum rf_service_kind { RF_SERVICE_BLOCK, RF_SERVICE_NET };
enum rf_admin {
	RF_ADMIN_NONE,
	RF_ADMIN_NVME,
	RF_ADMIN_E1000E,
	RF_ADMIN_IGB,
	RF_ADMIN_VIRTIO_NET,
	RF_ADMIN_VIRTIO_BLK,
	RF_ADMINS,
};

/* May a device with this admin plane have several queues, a driver each? */
static inline bool rf_admin_has_queues(uint32_t admin)
{
	return admin == RF_ADMIN_NVME || admin == RF_ADMIN_VIRTIO_BLK;
}

/* Kinds of interrupt a policy accepts, in order of preference. */
#define RF_IRQ_MSIX 0x1u
#define RF_IRQ_MSI  0x2u
#define RF_IRQ_INTX 0x4u

/* One step of a soft reset: a register written, or polled until it has a value. */
struct rf_reset_step {
	uint8_t  poll;  /* 0: write (value & mask | old & ~mask), 1: poll */
	uint8_t  bar;
	uint8_t  bytes; /* 1, 2 or 4 */
	uint8_t  reserved;
	uint32_t within_ms;
	uint64_t offset;
	uint32_t mask, value;
};

/* Registers of a BAR that the driver itself may touch: whole pages. */
struct rf_reg_window {
	uint32_t bar;
	uint32_t write; /* 0: read-only */
	uint64_t offset, bytes;
};

#define RF_DEVICE_BUSMASTER_OFF 0x1u /* clear bus mastering before the soft reset */
#define RF_DEVICE_CACHE_LOST    0x2u /* the soft reset drops the volatile write cache */
#define RF_DEVICE_READ_ONLY     0x4u
#define RF_DEVICE_PAYLOAD       0x8u /* the driver has the data arena mapped */
#define RF_DEVICE_PROMISCUOUS   0x80u /* frames to every station, where the device filters */
#define RF_DEVICE_NO_STANDBY    0x40u /* a driver's successor is spawned when it is dead */
#define RF_DEVICE_NO_LOOK       0x100u /* nobody watches an adapter for resets of its own */

#define RF_QUEUE_RESET_MOST_MS 10000u

struct rf_device_config {
	char     name[RF_NAME];
	char     pci[RF_NAME]; /* dddd:bb:dd.f */
	/* system call list of the driver; driver-device where it has RF_FD_DEVICE */
	char     filter[32];
	uint32_t backend;      /* enum rf_backend */
	uint32_t admin;        /* enum rf_admin */
	uint32_t service;      /* enum rf_service_kind */
	uint32_t flags;        /* RF_DEVICE_* */
	uint32_t match_class, match_vendor, match_device; /* ~0: any */
	uint32_t interrupts;   /* RF_IRQ_* accepted, 0: none */
	uint32_t queues;       /* most it may have, 1 to RF_MAX_QUEUES: drivers count by it */
	uint32_t queues_least; /* with fewer it is not served */
	uint32_t queue_entries;
	uint64_t arena_bytes;
	uint64_t queue_bytes;  /* of one half of one queue */
	uint64_t iova;         /* wanted start of the DMA map; 0: choose */
	uint64_t spin_ns;      /* driver */
	uint64_t moderation_ns; /* least time between two interrupts, where the device can */
	/* interrupts a second, beyond what is completed, that are a storm; 0: none */
	uint32_t storm_rate;
	/* in which a dead driver's queues have to be deleted; 0: the device is reset at once */
	uint32_t queue_reset_ms;
	struct rf_namespace name_space; /* NVMe */
	uint32_t mtu;          /* wanted of a NIC whose admin plane can set it; 0: 1500 */
	/* 0, or: its predecessor died; every generation up to this was used */
	uint32_t revived;
	uint32_t step_count;
	uint32_t window_count;
	struct rf_reset_step step[RF_MAX_STEPS];
	struct rf_reg_window window[RF_MAX_WINDOWS];
	struct rf_blk_info   blk; /* for RF_ADMIN_NONE: the disk as the policy states it, */
	struct rf_net_info   net; /* or the interface */
	struct rf_identity   disk; /* which it has to be; not known: any */
};

/* Bytes of one queue's channel in one half. */
static inline uint32_t rf_chan_bytes(uint32_t service)
{
	return service == RF_SERVICE_NET ? RF_NET_CHAN_BYTES : RF_BLK_CHAN_BYTES;
}

/*
 * Fixed fd numbers of a device process, from 3 on: X(what it is there, what the supervisor
 * keeps it as). Enum and supervisor are made of this one list, so that no number can slip.
 */
#define RF_DEVICE_FD_LIST(X)                                                                   \
	X(SUPERVISOR, SUP_THEIRS)   /* SEQPACKET, struct rf_dev_msg */                         \
	X(SERVICE, SVC_DEVICE)      /* SEQPACKET, struct rf_svc_msg */                         \
	X(CONFIG, CONFIG)           /* memfd: struct rf_device_config */                       \
	X(CONTAINER, CONTAINER)     /* /dev/vfio/vfio, or /dev/null */                         \
	X(GROUP, GROUP)             /* /dev/vfio/N, a vfio-user server, or /dev/null */        \
	X(DATA, DATA)               /* memfd: data arena */                                    \
	X(QUEUES, QUEUES)           /* memfd: queue memory: 2 halves x queues x queue_bytes */ \
	X(ADMIN, ADMIN)             /* memfd: admin plane's own DMA pages */                   \
	X(RINGS, RINGS)             /* memfd: passed on to the launcher, never read here */    \
	X(BOOT, BOOT)               /* memfd: boot records: 2 halves x queues x RF_PAGE */     \
	X(STATS, STATS)             /* memfd: struct rf_stats_device at RF_STATS_DEVICE */     \
	X(WAKE0, WAKE0)             /* eventfd of queue 0's driver in half 0, */               \
	X(WAKE1, WAKE1)             /* and in half 1; more queues: rf_device_wake() */         \
	X(DEVICE, DEVICE)           /* eventfd: the driver's RF_FD_DEVICE */                   \
	X(INTERRUPTS, INTERRUPTS)   /* /proc/interrupts, or /dev/null */

enum rf_device_fd {
	RF_DEVICE_FD_BEFORE = 2,
#define RF_DEVICE_FD_NUMBER(name, held) RF_DEVICE_FD_##name,
	RF_DEVICE_FD_LIST(RF_DEVICE_FD_NUMBER)
#undef RF_DEVICE_FD_NUMBER
	RF_DEVICE_FD_MORE_WAKES, /* of queue 1, half 0 and 1, of queue 2 and so on */
	RF_DEVICE_FDS = RF_DEVICE_FD_MORE_WAKES + 2 * (RF_MAX_QUEUES - 1)
};

/* The eventfd of the driver of this queue in this half. */
static inline int rf_device_wake(uint32_t queue, uint32_t half)
{
	return (queue ? RF_DEVICE_FD_MORE_WAKES + 2 * ((int)queue - 1) : RF_DEVICE_FD_WAKE0) +
	       (int)half;
}

/* Bytes of queue memory: all queues, both halves. */
static inline uint64_t rf_queue_memory(const struct rf_device_config *c)
{
	return 2 * c->queues * c->queue_bytes;
}

#define RF_ADMIN_BYTES 65536u

#endif
