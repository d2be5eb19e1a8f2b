/* SPDX-License-Identifier: MIT */
/*
 * virtio_pci.h - a modern virtio device on PCI, for its admin plane.
 *
 * Room:   sandbox/device/admin. Virtual I/O Device 1.2: 3.1 (initialisation), 4.1 (transport).
 */
#ifndef RF_VIRTIO_PCI_H
#define RF_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "device.h"
#include "virtio.h"

#define VIRTIO_MAX_QUEUES RF_MAX_QUEUES /* the network device has two */

struct virtio_pci {
	struct virtio_window {
		uint32_t bar;
		uint64_t offset, bytes; /* bytes 0: not there */
	} window[VIRTIO_PCI_DEVICE + 1]; /* by enum virtio_pci_cfg */
	uint32_t multiplier;
	uint64_t offered, features;      /* by the device; negotiated */
	uint32_t size[VIRTIO_MAX_QUEUES];
	uint64_t notify[VIRTIO_MAX_QUEUES]; /* offset in the notification window's BAR */
	uint64_t iova[VIRTIO_MAX_QUEUES];   /* of its descriptors; 0: it was not started yet */
	bool     marked;                    /* by virtio_mark() */
};

/* Finds the structures and checks that the policy's reset is this device's. -errno after
 * a line. */
int virtio_open(struct rf_device *, struct virtio_pci *);
bool virtio_present(struct rf_device *, const struct virtio_pci *);
/* Status 0, confirmed. -errno after a line. */
int virtio_reset(struct rf_device *, const struct virtio_pci *);
/* 3.1.1 steps 1 to 6. Of `wanted` what the device offers; all of `needed`. */
int virtio_negotiate(struct rf_device *, struct virtio_pci *, uint64_t wanted, uint64_t needed);
/* Learns size (at most `most`) and doorbell of queues 0 to count - 1. */
int virtio_queues(struct rf_device *, struct virtio_pci *, unsigned count, uint32_t most);
/*
 * 2.6.1, 4.1.4.3.2: takes a queue from a device that goes on. 0: the device says that it has let go
 * of it, and is still the one that was started. -ETIMEDOUT: not within ns. -EBADMSG: it says that
 * it is through with that, and that the queue is still enabled. -EIO: its status is another one.
 * -ENODEV: registers read all ones. No line.
 */
int virtio_drop_queue(struct rf_device *, struct virtio_pci *, unsigned queue, uint64_t ns);
/* Is the device at work, and the queue as virtio_start_queue() left it? */
bool virtio_queue_runs(struct rf_device *, const struct virtio_pci *, unsigned queue);
/* Chooses the driver's doorbell page and refuses one that holds anything else. */
int virtio_doorbells(struct rf_device *, struct virtio_pci *, unsigned count);
/* Step 7, a queue: its parts at `iova` as hw/virtio.h says, interrupts on `vector`. */
int virtio_start_queue(struct rf_device *, struct virtio_pci *, unsigned queue, uint64_t iova,
		       int vector);
/* Step 8. */
int virtio_go(struct rf_device *, struct virtio_pci *);

/* ---- virtio_queues.c: a device with several queues of one kind, a driver each -------------- */

/* Sizes and doorbells of queues 0 to d->queue_count - 1, which are made alike: the smallest size
 * is everybody's. d->queue_count becomes less where the device says `most`, or where doorbells are
 * at no fixed distance. -errno after a line. */
int virtio_queues_learn(struct rf_device *, struct virtio_pci *, uint32_t most);
/* At start, when those are known: is a queue reset as it should be? Sets d->queue_reset; a line
 * if not, and VIRTIO_F_RING_RESET is not used. The device has to be reset then. -errno after a
 * line. */
int virtio_queues_check(struct rf_device *, struct virtio_pci *);
/* rf_admin_ops.enable, queue_drop and queue_make. */
int virtio_queues_enable(struct rf_device *, struct virtio_pci *);
int virtio_queues_drop(struct rf_device *, struct virtio_pci *, unsigned queue);
int virtio_queues_make(struct rf_device *, struct virtio_pci *, unsigned queue, unsigned half);

/* virtio_blk_id.c: asks a disk whose queues are known what it is called: d->disk, if it says. The
 * device has to be reset then. -errno after a line. */
int virtio_blk_name(struct rf_device *, const struct virtio_pci *);

/* rf_admin_ops.mark: status ACKNOWLEDGE, which is no more than having been seen. */
void virtio_mark(struct rf_device *, struct virtio_pci *);
/* rf_admin_ops.changed */
const char *virtio_changed(struct rf_device *, const struct virtio_pci *);

/* Device configuration: 1, 2, 4 or 8 bytes; 0 if the structure has no such bytes. */
uint64_t virtio_config(struct rf_device *, const struct virtio_pci *, uint64_t at, uint32_t bytes);

#endif
