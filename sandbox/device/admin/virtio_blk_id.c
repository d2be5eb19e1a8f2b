/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk_id.c - what a virtio disk is called: the one request that its admin plane makes.
 *
 * Room:   sandbox/device/admin. Virtual I/O Device 1.2: 5.2.6 (VIRTIO_BLK_T_GET_ID), 2.7 (split
 *         queues: whatever its driver will use).
 * Memory: the driver's queue memory, which no driver has yet.
 * Trust:  the device may write any of that at any time: what it says is copied out once.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "virtio_pci.h"
#include "wait.h"

#define ID_WITHIN_NS 5000000000ull

/* One request in slot 0 behind the queue: header, name, status. */
static struct virtio_blk_slot *put_request(struct rf_device *d, const struct virtio_pci *v)
{
	unsigned char *base = d->queues;
	uint64_t at = virtq_bytes(v->size[0]);
	struct virtio_blk_slot *slot = (void *)(base + at);
	struct virtq_desc *ring = d->queues;
	struct virtq_avail *avail = (void *)(base + virtq_avail_at(v->size[0]));
	const uint64_t iova = d->queues_iova + at;
	const struct { uint64_t offset; uint32_t bytes, flags; } parts[3] = {
		{ offsetof(struct virtio_blk_slot, type), 16, VIRTQ_DESC_F_NEXT },
		{ offsetof(struct virtio_blk_slot, fill), VIRTIO_BLK_ID_BYTES,
		  VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE },
		{ offsetof(struct virtio_blk_slot, status), 1, VIRTQ_DESC_F_WRITE },
	};

	memset(base, 0, at + sizeof(*slot));
	slot->type = VIRTIO_BLK_T_GET_ID;
	slot->status = 0xff;
	for (uint32_t i = 0; i < 3; i++)
		slot->table[i] = (struct virtq_desc){
			.addr = iova + parts[i].offset,
			.rest = VIRTQ_DESC_REST(parts[i].bytes, parts[i].flags, i + 1),
		};
	ring[0] = (struct virtq_desc){ .addr = iova,
				       .rest = VIRTQ_DESC_REST(sizeof(slot->table),
							       VIRTQ_DESC_F_INDIRECT, 0) };
	avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	avail->idx = 1;
	atomic_thread_fence(memory_order_seq_cst);
	return slot;
}

static int wait_used(struct rf_device *d, const struct virtio_pci *v)
{
	const volatile struct virtq_used *used =
		(const void *)((const char *)d->queues + virtq_used_at(v->size[0]));
	uint64_t deadline = rf_now_ns() + ID_WITHIN_NS;

	while (!used->idx) {
		if (rf_now_ns() > deadline) {
			rf_log("%s: does not answer when it is asked for its name", d->label);
			return -ETIMEDOUT;
		}
		rf_sleep_ns(20000);
	}
	atomic_thread_fence(memory_order_seq_cst);
	return 0;
}

int virtio_blk_name(struct rf_device *d, const struct virtio_pci *known)
{
	const uint64_t plain = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_ORDER_PLATFORM;
	struct virtio_pci v = *known;
	const uint16_t queue = 0;
	int err;

	if ((err = virtio_negotiate(d, &v, plain, VIRTIO_F_INDIRECT_DESC)))
		return err;
	const struct virtio_blk_slot *slot = put_request(d, &v);
	if ((err = virtio_start_queue(d, &v, 0, d->queues_iova, VIRTIO_MSI_NO_VECTOR)) ||
	    (err = virtio_go(d, &v)) ||
	    (err = bar_write(d, v.window[VIRTIO_PCI_NOTIFY].bar, v.notify[0], &queue,
			     sizeof(queue))) ||
	    (err = wait_used(d, &v)))
		return err;
	char name[VIRTIO_BLK_ID_BYTES];
	memcpy(name, slot->fill, sizeof(name));
	d->disk = (struct rf_identity){ 0 };
	/* One that does not know the request has no name. */
	if (*(const volatile uint8_t *)&slot->status == VIRTIO_BLK_S_OK)
		identity_string(d, "S/N ", name, strnlen(name, sizeof(name)), "");
	return 0;
}
