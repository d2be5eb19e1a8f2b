/* SPDX-License-Identifier: MIT */
/*
 * virtq_device.h - the device's side of a virtqueue, split or packed, for the unit tests of
 * virtio drivers. What is looked at is the same for both kinds; it may return buffers in any
 * order, and lie.
 *
 * Room:   tests/unit. IOVA equals address.
 */
#ifndef RF_TEST_VIRTQ_DEVICE_H
#define RF_TEST_VIRTQ_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio.h"

#define VQ_MOST 64u

struct vq_part {
	const unsigned char *at;
	uint32_t length;
	bool     writable, indirect, more;
};

struct vq {
	bool     packed;
	uint32_t size;
	struct virtq_desc *desc;
	/* available ring or the driver's events; used ring or ours */
	unsigned char *second, *third;
	uint16_t seen, given;
	/* Packed, by id: used entries are written over those of buffers still out. */
	struct {
		struct vq_part part[2];
		uint16_t       parts;
	} taken[VQ_MOST];
};

/* Prestate of a test that is run for both kinds. */
static bool vq_split = false, vq_packed = true;
#define BOTH_KINDS_OF(test)                                                                     \
	{ #test "_split", test, NULL, NULL, &vq_split },                                         \
	{ #test "_packed", test, NULL, NULL, &vq_packed }

static inline struct vq vq_at(unsigned char *mem, uint32_t size, bool packed)
{
	return (struct vq){ .packed = packed,
			    .size = size,
			    .desc = (void *)mem,
			    .second = mem + virtq_avail_at(size),
			    .third = mem + virtq_used_at(size) };
}

static inline struct virtq_used *vq_used(struct vq *q)
{
	return (void *)q->third;
}

/* Does the driver want no interrupts? */
static inline bool vq_quiet(const struct vq *q)
{
	if (q->packed)
		return ((const struct virtq_event *)(const void *)q->second)->flags ==
		       VIRTQ_EVENT_DISABLE;
	return ((const struct virtq_avail *)(const void *)q->second)->flags ==
	       VIRTQ_AVAIL_F_NO_INTERRUPT;
}

/* The device wants no notifications. */
static inline void vq_hush(struct vq *q, bool on)
{
	if (q->packed)
		((struct virtq_event *)(void *)q->third)->flags =
			on ? VIRTQ_EVENT_DISABLE : VIRTQ_EVENT_ENABLE;
	else
		vq_used(q)->flags = on ? VIRTQ_USED_F_NO_NOTIFY : 0;
}

static inline struct vq_part vq_part_of(const struct virtq_desc *d, bool packed)
{
	uint32_t flags = packed ? (uint32_t)(d->rest >> 48) : d->flags;

	return (struct vq_part){ .at = (const unsigned char *)(uintptr_t)d->addr,
				 .length = d->len,
				 .writable = flags & VIRTQ_DESC_F_WRITE,
				 .indirect = flags & VIRTQ_DESC_F_INDIRECT,
				 .more = flags & VIRTQ_DESC_F_NEXT };
}

/* 2.8.1: the wrap counter begins with 1. */
static inline bool vq_available(const struct vq *q, uint16_t at)
{
	uint64_t flags = q->desc[at % q->size].rest >> 48;
	bool wrap = !(at & q->size);

	return !(flags & VIRTQ_DESC_F_AVAIL) == !wrap && !(flags & VIRTQ_DESC_F_USED) == wrap;
}

/* The device takes a buffer, if one was shown to it; *head names it. */
static inline bool vq_take(struct vq *q, uint32_t *head)
{
	const struct virtq_avail *avail = (const void *)q->second;
	uint16_t at = q->seen;

	if (!q->packed) {
		if (at == avail->idx)
			return false;
		*head = avail->ring[q->seen++ % q->size];
		assert_in_range(*head, 0, q->size - 1);
		return true;
	}
	if (!vq_available(q, at))
		return false;
	*head = VIRTQ_PACKED_ID(q->desc[at % q->size].rest);
	assert_in_range(*head, 0, VQ_MOST - 1);
	q->taken[*head].parts = 0;
	struct vq_part part;
	do {
		assert_true(vq_available(q, q->seen));
		assert_int_equal(VIRTQ_PACKED_ID(q->desc[q->seen % q->size].rest), *head);
		assert_in_range(q->taken[*head].parts, 0, 1);
		part = vq_part_of(&q->desc[q->seen++ % q->size], true);
		q->taken[*head].part[q->taken[*head].parts++] = part;
	} while (part.more);
	return true;
}

/* Part `which` of the buffer. */
static inline struct vq_part vq_part(const struct vq *q, uint32_t head, unsigned which)
{
	if (q->packed) {
		assert_in_range(which, 0, q->taken[head].parts - 1u);
		return q->taken[head].part[which];
	}
	for (; which; which--)
		head = q->desc[head].next;
	return vq_part_of(&q->desc[head], false);
}

/* Part `which` of the table an indirect part leads to. */
static inline struct vq_part vq_in_table(const struct vq *q, struct vq_part part, unsigned which)
{
	const struct virtq_desc *table = (const void *)part.at;
	uint32_t at = 0, entries = part.length / (uint32_t)sizeof(*table);

	assert_true(part.indirect);
	if (q->packed) {
		assert_in_range(which, 0, entries - 1);
		part = vq_part_of(&table[which], true);
		part.more = which + 1 < entries;
		return part;
	}
	for (; which; which--) {
		assert_true(table[at].flags & VIRTQ_DESC_F_NEXT);
		at = table[at].next;
		assert_in_range(at, 0, entries - 1);
	}
	return vq_part_of(&table[at], false);
}

/* Whatever id and length: true or not. */
static inline void vq_say(struct vq *q, uint32_t id, uint32_t length, uint16_t parts)
{
	struct virtq_used *used = vq_used(q);

	if (!q->packed) {
		used->ring[used->idx % q->size] =
			(struct virtq_used_elem){ .id = id, .len = length };
		used->idx++;
		return;
	}
	uint64_t flags = q->given & q->size ? 0 : VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED;
	q->desc[q->given % q->size].rest = VIRTQ_PACKED_REST(length, id & 0xffff, flags);
	q->given = (uint16_t)(q->given + parts);
}

static inline void vq_give_back(struct vq *q, uint32_t head, uint32_t length)
{
	vq_say(q, head, length, q->packed ? q->taken[head].parts : 1);
}

#endif
