/* SPDX-License-Identifier: MIT */
/*
 * net_driver.h - what a net driver's unit test has in place of the runtime and the service:
 * include it, then the driver's source. IOVA equals address.
 *
 * Room:   tests/unit.
 */
#ifndef RF_TEST_NET_DRIVER_H
#define RF_TEST_NET_DRIVER_H

#include "driver_rt.h"

#include "sandbox/runtime/rt_net.h"

#define ARENA (2u << 20)

/* The service's side: rings, arena and queue memory, all zero. */
struct netside {
	struct rf_boot      boot;
	struct rf_net_chan *chan;
	struct rf_net_queue queue;
	struct rf_ring_end  free, rx, tx; /* the service's ends */
	unsigned char      *mem, *arena, *regs;
};

static inline void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

static inline void netside_start(struct netside *s, uint64_t mem_bytes, uint32_t regs_bytes)
{
	memset(s, 0, sizeof(*s));
	s->chan = zeroed(RF_NET_CHAN_BYTES);
	s->mem = zeroed(mem_bytes);
	s->arena = zeroed(ARENA);
	s->regs = zeroed(regs_bytes);
	s->boot.queue_count = 1;
	s->boot.arena_iova = (uint64_t)(uintptr_t)s->arena;
	s->boot.net.rx_buffer = 2048;
	s->boot.queue[0] = (struct rf_boot_queue){
		.chan = (uint64_t)(uintptr_t)s->chan, .mem = (uint64_t)(uintptr_t)s->mem,
		.mem_iova = (uint64_t)(uintptr_t)s->mem, .mem_bytes = mem_bytes,
		.regs = (uint64_t)(uintptr_t)s->regs,
	};
	rf_ring_attach(&s->free, &s->chan->rx_free, RF_NET_DEPTH);
	rf_ring_attach(&s->rx, &s->chan->rx, RF_NET_DEPTH);
	rf_ring_attach(&s->tx, &s->chan->tx, RF_NET_DEPTH);
	bell_writes = 0;
}

static inline void netside_end(struct netside *s)
{
	free(s->chan);
	free(s->mem);
	free(s->arena);
	free(s->regs);
}

/* A turn of the loop, and what it looks at if that finds nothing. */
static inline __attribute__((always_inline)) bool
netside_turn(struct netside *s, const struct rf_net_driver *d, void *dev)
{
	return rf_net_turn(d, &s->queue, dev) || rf_net_spare(d, &s->queue, dev);
}

/* Buffers of 2048 bytes, the first `n` of them. */
static inline void netside_buffers(struct netside *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i * 2048 / RF_NET_UNIT;
		rf_ring_put(&s->free, &at, sizeof(at));
	}
	rf_ring_publish(&s->free);
}

/* A record to send, its bytes all `fill`. */
static inline void netside_send(struct netside *s, struct rf_net_frame f, int fill)
{
	assert_true(f.at * (uint64_t)RF_NET_UNIT + f.length <= ARENA);
	memset(s->arena + f.at * RF_NET_UNIT, fill, f.length);
	rf_ring_put(&s->tx, &f, sizeof(f));
	rf_ring_publish(&s->tx);
}

static inline bool netside_next(struct netside *s, struct rf_net_frame *f)
{
	if (rf_ring_ready(&s->rx) <= 0)
		return false;
	rf_ring_take(&s->rx, f, sizeof(*f));
	return true;
}

static inline unsigned netside_slots_back(struct netside *s)
{
	return atomic_load(&((struct rf_ring *)&s->chan->tx)->head);
}

#endif
