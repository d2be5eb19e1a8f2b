/* SPDX-License-Identifier: MIT */
/*
 * virtq.h - the driver's side of a split virtqueue (Virtual I/O Device 1.2, 2.7).
 *
 * Room:   drivers, untrusted.
 * Order:  entries before `idx` (release), `idx` before looking at whether the device
 *         wants to be notified (full fence); the device's `idx` before its entries
 *         (acquire). Indexes run freely over 16 bits, as the specification has them.
 */
#ifndef RF_VIRTQ_H
#define RF_VIRTQ_H

#include "rt.h"
#include "virtio.h"

struct virtq {
	struct virtq_desc  *desc;
	struct virtq_avail *avail;
	const struct virtq_used *used;
	void    *notify;
	uint32_t number;    /* of the queue */
	uint32_t size;
	uint16_t avail_idx; /* next entry to be filled */
	uint16_t shown;     /* what avail->idx says */
	uint16_t used_idx;  /* next entry to be looked at */
};

/* Sizes a split queue may have (2.7). */
static inline bool virtq_size_valid(uint64_t size)
{
	return size >= 2 && size <= 32768 && !(size & (size - 1));
}

static inline void virtq_attach(struct virtq *q, uint64_t mem, uint32_t size, uint32_t number,
				uint64_t notify)
{
	*q = (struct virtq){
		.desc = (struct virtq_desc *)(uintptr_t)mem,
		.avail = (struct virtq_avail *)(uintptr_t)(mem + virtq_avail_at(size)),
		.used = (const struct virtq_used *)(uintptr_t)(mem + virtq_used_at(size)),
		.notify = (void *)(uintptr_t)notify, .number = number, .size = size,
	};
}

/* How many used entries there are that were not looked at yet. A device that says more
 * than the queue has entries lies. */
static inline unsigned virtq_ready(const struct virtq *q)
{
	uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	uint16_t ready = (uint16_t)(idx - q->used_idx);

	if (RF_UNLIKELY(ready > q->size))
		rf_exit(RF_EXIT_ANSWER);
	return ready;
}

/* Shows the device all entries filled so far, and notifies it if it wants that. */
static inline void virtq_show(struct virtq *q)
{
	if (q->shown == q->avail_idx)
		return;
	q->shown = q->avail_idx;
	__atomic_store_n(&q->avail->idx, q->shown, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & VIRTQ_USED_F_NO_NOTIFY))
		rf_mmio_write16(q->notify, (uint16_t)q->number);
}

/* Interrupts for used entries on or off. Look at virtq_ready() after turning them on. */
static inline void virtq_interrupt(struct virtq *q, bool on)
{
	__atomic_store_n(&q->avail->flags, on ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
	if (on)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
