/* SPDX-License-Identifier: MIT */
/*
 * virtq.h - the driver's side of a virtqueue, split or packed (Virtual I/O Device 1.2, 2.7
 * and 2.8).
 *
 * Room:   drivers, untrusted.
 * Order:  entries before `idx` (release), `idx` before looking at whether the device
 *         wants to be notified (full fence); the device's `idx` before its entries
 *         (acquire). In a packed queue the second word of an entry takes the place of
 *         `idx`: it holds the flags, and is stored and loaded as one.
 * Index:  both kinds count freely over 16 bits. Since sizes are powers of two, the bit
 *         above a packed queue's place is its wrap counter, inverted.
 */
#ifndef RF_VIRTQ_H
#define RF_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "driver_exit.h"
#include "rt.h"
#include "virtio.h"

struct virtq {
	struct virtq_desc  *desc;
	struct virtq_avail *avail;       /* split only, as `used` */
	const struct virtq_used *used;
	struct virtq_event *mine;        /* packed only, as `theirs` */
	const struct virtq_event *theirs;
	void    *notify;
	struct rf_doorbell bell;
	uint32_t number;    /* of the queue */
	uint32_t size;
	uint16_t avail_idx; /* next entry to be filled */
	uint16_t shown;     /* what the device was notified of */
	uint16_t used_idx;  /* next entry to be looked at */
};

/* Sizes a split queue may have (2.7); a packed one could have others too. */
static inline bool virtq_size_valid(uint64_t size)
{
	return size >= 2 && size <= 32768 && !(size & (size - 1));
}

static inline void virtq_attach(struct virtq *q, const struct rf_boot *boot, bool packed,
				uint64_t mem, uint32_t size, uint32_t number, uint64_t notify)
{
	void *second = (void *)(uintptr_t)(mem + virtq_avail_at(size));
	void *third = (void *)(uintptr_t)(mem + virtq_used_at(size));

	*q = (struct virtq){
		.desc = (struct virtq_desc *)(uintptr_t)mem, .notify = (void *)(uintptr_t)notify,
		.number = number, .size = size, .bell = rf_doorbell(boot, 0),
	};
	if (packed) {
		q->mine = second;
		q->theirs = third;
	} else {
		q->avail = second;
		q->used = third;
	}
}

/* The second word of an entry in a table of the device's own kind. */
static inline uint64_t virtq_table_rest(bool packed, uint64_t length, uint64_t flags, uint64_t next)
{
	return packed ? VIRTQ_PACKED_REST(length, 0, flags & VIRTQ_DESC_F_WRITE) :
			VIRTQ_DESC_REST(length, flags, next);
}

/* ---- split -------------------------------------------------------------------------- */

/* How many used entries there are that were not looked at yet. A device that says more
 * than the queue has entries lies. */
static inline unsigned virtq_ready(const struct virtq *q)
{
	uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	uint16_t ready = (uint16_t)(idx - q->used_idx);

	if (RF_UNLIKELY(ready > q->size))
		rf_exit(RF_DRIVER_EXIT_ANSWER);
	return ready;
}

/* ---- packed ------------------------------------------------------------------------- */

/* Fills the entry at `idx`, which the device may take from then on. Of a chain, last comes
 * first. */
static inline void virtq_packed_put(const struct virtq *q, uint16_t idx, uint64_t addr,
				    uint64_t length, uint64_t id, uint64_t flags)
{
	struct virtq_desc *d = &q->desc[idx & (q->size - 1)];

	flags |= idx & q->size ? VIRTQ_DESC_F_USED : VIRTQ_DESC_F_AVAIL;
	d->addr = addr;
	__atomic_store_n(&d->rest, VIRTQ_PACKED_REST(length, id, flags), __ATOMIC_RELEASE);
}

/* Is the entry at `idx` used? Then *rest is its second word, for VIRTQ_PACKED_ID and _LEN. */
static inline bool virtq_packed_look(const struct virtq *q, uint16_t idx, uint64_t *rest)
{
	const uint64_t both = (uint64_t)(VIRTQ_DESC_F_USED | VIRTQ_DESC_F_AVAIL) << 48;

	*rest = __atomic_load_n(&q->desc[idx & (q->size - 1)].rest, __ATOMIC_ACQUIRE);
	return (*rest & both) == (idx & q->size ? 0 : both);
}

/* ---- both --------------------------------------------------------------------------- */

static inline bool virtq_pending(const struct virtq *q, bool packed)
{
	uint64_t rest;

	return packed ? virtq_packed_look(q, q->used_idx, &rest) : virtq_ready(q) != 0;
}

/* Shows the device all entries filled so far, and notifies it if it wants that. */
static inline void virtq_show(struct virtq *q, bool packed)
{
	bool quiet;

	if (q->shown == q->avail_idx)
		return;
	q->shown = q->avail_idx;
	if (!packed)
		__atomic_store_n(&q->avail->idx, q->shown, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (packed)
		quiet = __atomic_load_n(&q->theirs->flags, __ATOMIC_RELAXED) == VIRTQ_EVENT_DISABLE;
	else
		quiet = __atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & VIRTQ_USED_F_NO_NOTIFY;
	if (quiet)
		return;
	rf_mmio_write16(q->notify, (uint16_t)q->number);
	/* Each is told, and never left to the next: all look alike where they arrive. */
	rf_doorbell_kick(&q->bell, RF_ASLEEP);
}

/* Interrupts for used entries on or off. Look at virtq_pending() after turning them on. */
static inline void virtq_interrupt(struct virtq *q, bool packed, bool on)
{
	if (packed)
		__atomic_store_n(&q->mine->flags, on ? VIRTQ_EVENT_ENABLE : VIRTQ_EVENT_DISABLE,
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, on ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT,
				 __ATOMIC_RELAXED);
	if (on)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
