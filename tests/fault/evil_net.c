/* SPDX-License-Identifier: MIT */
/*
 * evil_net.c - a network driver that lies in one record, or in one index, and is honest then:
 * what the lie did can be seen. param[0] says what about, param[1] how much.
 *
 * Room:   tests/fault, hostile. Stopped by: each record is copied, and the copy checked against
 *         a table of buffers it cannot see.
 */
#include "evil.h"

#include "rt_net.h"

enum lie { AT, TWICE, LENGTH, CHECKSUM, KIND, GLUED, PARTS, RX_TAIL, TX_HEAD };

#define SLOT(i) ((i) & (RF_NET_DEPTH - 1))

struct ends {
	struct rf_ring *free, *rx, *tx;
	uint32_t        free_own, rx_own;
};

/* The next empty buffer; waits for one. */
EVIL_INLINE uint32_t buffer(struct ends *e)
{
	while (atomic_load(&e->free->tail) == e->free_own)
		rf_pause();
	return ((uint32_t *)(void *)e->free->records)[SLOT(e->free_own++)];
}

EVIL_INLINE void put(struct ends *e, struct rf_net_frame f)
{
	((struct rf_net_frame *)(void *)e->rx->records)[SLOT(e->rx_own++)] = f;
}

EVIL_INLINE void publish(struct ends *e)
{
	atomic_store(&e->rx->tail, e->rx_own);
	rf_kick();
}

EVIL_INLINE void tell(struct ends *e, enum lie lie, uint64_t value)
{
	struct rf_net_frame f = { .length = 60 };

	if (lie == RX_TAIL) {
		atomic_store(&e->rx->tail, e->rx_own + (uint32_t)value);
		rf_kick();
		/* It stands until somebody has looked. */
		for (uint64_t t = __builtin_ia32_rdtsc(); __builtin_ia32_rdtsc() - t < 300000000;)
			rf_pause();
		return;
	}
	if (lie == TX_HEAD) {
		while (!atomic_load(&e->tx->tail))
			rf_pause();
		atomic_store(&e->tx->head, atomic_load(&e->tx->tail) + (uint32_t)value);
		return rf_kick();
	}
	f.at = buffer(e);
	if (lie == AT)
		f.at = (uint32_t)value;
	if (lie == TWICE)
		put(e, f);
	/* Glued by the device, so that no frame of the wire is too short for it. */
	if (lie == LENGTH || lie == GLUED)
		f = (struct rf_net_frame){ .at = f.at,
					   .length = (uint16_t)value,
					   .flags = RF_NET_CSUM,
					   .gso = RF_NET_GSO_TCP4,
					   .gso_size = 1448,
					   .csum_start = 34,
					   .csum_offset = 16 };
	if (lie == CHECKSUM)
		f.flags = RF_NET_CSUM, f.csum_start = (uint8_t)value,
		f.csum_offset = (uint8_t)(value >> 8);
	if (lie == KIND)
		f.flags = (uint8_t)value, f.gso = (uint8_t)(value >> 8), f.gso_size = 100;
	if (lie == PARTS)
		for (f.flags = RF_NET_MORE, f.length = 40; --value;) {
			put(e, f);
			f.at = buffer(e);
		}
	if (lie == PARTS)
		f.flags = 0;
	put(e, f);
	publish(e);
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct rf_net_chan *chan = (struct rf_net_chan *)(uintptr_t)boot->queue[0].chan;
	struct ends e = { .free = (void *)chan->rx_free.bytes, .rx = (void *)chan->rx.bytes,
			  .tx = (void *)chan->tx.bytes };

	evil_begin(boot);
	tell(&e, (enum lie)boot->queue[0].param[0], boot->queue[0].param[1]);
	for (;;) {
		put(&e, (struct rf_net_frame){ .at = buffer(&e), .length = 60 });
		publish(&e);
		if (boot->queue[0].param[0] != TX_HEAD)
			atomic_store(&e.tx->head, atomic_load(&e.tx->tail));
	}
}
