/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk.c - the queue of a virtio block device.
 *
 * Room:   drivers, untrusted.
 * Device: Virtual I/O Device 1.2, 5.2; modern PCI transport, one of its queues, split or
 *         packed, indirect descriptors.
 * Given:  the notification page, and a queue that exists already. Features, status and
 *         configuration are the device process's: nothing here can reach them.
 * Layout: queue memory as hw/virtio.h says. In a split queue a request's slot is the
 *         descriptor that points to its table, in a packed one its buffer id. Of a split
 *         queue what does not change from request to request is written once.
 */
#include "rt_blk.h"
#include "virtq.h"

struct virtio_blk {
	struct virtq q;
	struct virtio_blk_slot *slots;
	uint64_t slots_iova, arena_iova;
	uint32_t flags; /* VIRTIO_BLK_FLAG_* */
	bool     packed;
};

/* Entries of a slot's table; in a packed queue, which knows no `next`, the status moves up
 * where there is no payload. */
enum { TABLE_HEADER, TABLE_PAYLOAD, TABLE_STATUS };

static uint64_t slot_iova(const struct virtio_blk *v, uint32_t slot, size_t offset)
{
	return v->slots_iova + (uint64_t)slot * sizeof(struct virtio_blk_slot) + offset;
}

static void virtio_blk_prepare(struct virtio_blk *v, uint32_t slot)
{
	struct virtq_desc *table = v->slots[slot].table;

	table[TABLE_HEADER].addr = slot_iova(v, slot, offsetof(struct virtio_blk_slot, type));
	table[TABLE_HEADER].rest =
		virtq_table_rest(v->packed, 16, VIRTQ_DESC_F_NEXT, TABLE_PAYLOAD);
	if (v->packed)
		return;
	v->q.desc[slot].addr = slot_iova(v, slot, offsetof(struct virtio_blk_slot, table));
	v->q.desc[slot].rest =
		VIRTQ_DESC_REST(sizeof(v->slots[slot].table), VIRTQ_DESC_F_INDIRECT, 0);
	table[TABLE_STATUS].addr = slot_iova(v, slot, offsetof(struct virtio_blk_slot, status));
	table[TABLE_STATUS].rest = VIRTQ_DESC_REST(1, VIRTQ_DESC_F_WRITE, 0);
}

static unsigned virtio_blk_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	const struct rf_boot_queue *b = &boot->queue[queue];
	uint64_t size = b->param[VIRTIO_BLK_PARAM_SIZE];
	struct virtio_blk *v = dev;

	if (!virtq_size_valid(size) || virtio_blk_bytes((uint32_t)size) > b->mem_bytes)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	v->flags = (uint32_t)b->param[VIRTIO_BLK_PARAM_FLAGS];
	v->packed = v->flags & VIRTIO_BLK_FLAG_PACKED;
	virtq_attach(&v->q, boot, v->packed, b->mem, (uint32_t)size, (uint32_t)b->number, b->regs);
	v->slots = (struct virtio_blk_slot *)(uintptr_t)(b->mem + virtq_bytes((uint32_t)size));
	v->slots_iova = b->mem_iova + virtq_bytes((uint32_t)size);
	v->arena_iova = boot->arena_iova;
	uint32_t slots = size > RF_BLK_DEPTH ? RF_BLK_DEPTH : (uint32_t)size;
	for (uint32_t s = 0; s < slots; s++)
		virtio_blk_prepare(v, s);
	return slots;
}

/* Payload of the device's to read or to write, or none: then the header leads to the
 * status and the entry between them is not looked at. */
static inline void virtio_blk_put(struct virtio_blk *v, uint32_t slot, uint32_t type,
				  uint64_t sector, uint64_t payload, uint32_t length,
				  uint32_t flags)
{
	struct virtio_blk_slot *s = &v->slots[slot];

	s->type = type;
	s->sector = sector;
	s->status = 0xff; /* none of the specification's */
	s->table[TABLE_PAYLOAD].addr = payload;
	s->table[TABLE_PAYLOAD].rest =
		virtq_table_rest(v->packed, length, flags | VIRTQ_DESC_F_NEXT, TABLE_STATUS);
	if (!v->packed) {
		s->table[TABLE_HEADER].next = length ? TABLE_PAYLOAD : TABLE_STATUS;
		v->q.avail->ring[v->q.avail_idx++ & (v->q.size - 1)] = (uint16_t)slot;
		return;
	}
	struct virtq_desc *status = &s->table[length ? TABLE_STATUS : TABLE_PAYLOAD];
	status->addr = slot_iova(v, slot, offsetof(struct virtio_blk_slot, status));
	status->rest = VIRTQ_PACKED_REST(1, 0, VIRTQ_DESC_F_WRITE);
	virtq_packed_put(&v->q, v->q.avail_idx++,
			 slot_iova(v, slot, offsetof(struct virtio_blk_slot, table)),
			 (size_t)(status + 1 - s->table) * sizeof(*status), slot,
			 VIRTQ_DESC_F_INDIRECT);
}

/* 5.2.6: discard and write zeroes name their range in the payload. */
static int put_range(struct virtio_blk *v, uint32_t slot, const struct rf_blk_req *req)
{
	bool zero = req->op == RF_BLK_ZERO;
	bool unmap = zero && v->flags & VIRTIO_BLK_FLAG_UNMAP && !(req->flags & RF_BLK_NO_UNMAP);

	if (!(v->flags & (zero ? VIRTIO_BLK_FLAG_ZEROES : VIRTIO_BLK_FLAG_DISCARD)))
		return -EOPNOTSUPP;
	if (!req->length)
		return -EINVAL;
	v->slots[slot].range = (struct virtio_blk_range){
		.sector = req->offset / VIRTIO_BLK_SECTOR,
		.sectors = req->length / VIRTIO_BLK_SECTOR,
		.flags = unmap ? VIRTIO_BLK_UNMAP : 0,
	};
	virtio_blk_put(v, slot, zero ? VIRTIO_BLK_T_WRITE_ZEROES : VIRTIO_BLK_T_DISCARD, 0,
		       slot_iova(v, slot, offsetof(struct virtio_blk_slot, range)),
		       sizeof(struct virtio_blk_range), 0);
	return 0;
}

static int virtio_blk_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct virtio_blk *v = dev;
	bool read = req->op == RF_BLK_READ;

	switch (req->op) {
	case RF_BLK_READ:
	case RF_BLK_WRITE:
		if (!req->length)
			return -EINVAL;
		/* There is no such flag on the wire, and the service was told so. */
		if (req->flags & RF_BLK_FUA)
			return -EOPNOTSUPP;
		virtio_blk_put(v, slot, read ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
			       req->offset / VIRTIO_BLK_SECTOR, v->arena_iova + req->arena,
			       req->length, read ? VIRTQ_DESC_F_WRITE : 0);
		return 0;
	case RF_BLK_FLUSH:
		virtio_blk_put(v, slot, VIRTIO_BLK_T_FLUSH, 0, 0, 0, 0);
		return 0;
	case RF_BLK_DISCARD:
	case RF_BLK_ZERO:
		return put_range(v, slot, req);
	}
	return -EOPNOTSUPP;
}

static void virtio_blk_commit(void *dev)
{
	struct virtio_blk *v = dev;

	virtq_show(&v->q, v->packed);
}

static bool virtio_blk_pending(void *dev)
{
	const struct virtio_blk *v = dev;

	return virtq_pending(&v->q, v->packed);
}

/* The buffer of the next used entry, as the device says. */
static bool next_used(struct virtio_blk *v, uint32_t *id)
{
	uint64_t rest;

	if (!v->packed) {
		if (!virtq_ready(&v->q))
			return false;
		*id = v->q.used->ring[v->q.used_idx++ & (v->q.size - 1)].id;
		return true;
	}
	if (!virtq_packed_look(&v->q, v->q.used_idx, &rest))
		return false;
	v->q.used_idx++;
	*id = VIRTQ_PACKED_ID(rest);
	return true;
}

static bool virtio_blk_poll(void *dev, unsigned *slot, int *status)
{
	struct virtio_blk *v = dev;
	uint32_t id;

	if (!next_used(v, &id))
		return false;
	/* The event loop takes a number that is not in flight for the end. */
	*slot = id;
	*status = -EIO;
	if (id >= v->q.size || id >= RF_BLK_DEPTH)
		return true;
	switch (*(volatile uint8_t *)&v->slots[id].status) {
	case VIRTIO_BLK_S_OK:
		*status = 0;
		break;
	case VIRTIO_BLK_S_UNSUPP:
		*status = -EOPNOTSUPP;
		break;
	}
	return true;
}

static const struct rf_blk_driver virtio_blk_driver = {
	.start = virtio_blk_start,
	.submit = virtio_blk_submit,
	.commit = virtio_blk_commit,
	.poll = virtio_blk_poll,
	.pending = virtio_blk_pending,
};

RF_BLK_DRIVER(virtio_blk_driver, struct virtio_blk)
