/* SPDX-License-Identifier: MIT */
/*
 * net.h - the event loop of a net driver, compiled around its functions.
 *
 * Room:   sandbox/runtime, untrusted. (The layouts are in sandbox/abi/net.h, which comes
 *         with it. A unit test includes this one by its whole path, ahead of the driver.)
 * Use:    a driver fills in struct rf_net_driver and ends with
 *         RF_NET_DRIVER(table, struct its_state). The loop is inlined together with the
 *         functions of the table: there are no calls on the data path.
 * Batch:  the functions get a whole batch, so that a driver keeps its indexes in local
 *         variables and stores them once. Records are written and read where they lie:
 *         RF_NET_SLOT(ring, index), index free-running.
 * Turn:   receive, refill, reap, send, commit; then what the service may see is published
 *         by one store a ring, and the service kicked if it sleeps. Idle turns spin for
 *         boot->spin_cycles, then arm, look again, sleep.
 */
#ifndef RF_RUNTIME_NET_H
#define RF_RUNTIME_NET_H

#include "rt.h"

/* Most records of one call of receive(), send() or refill(). */
#define RF_NET_BATCH 32u
/* Turns between two looks at the link while there is no time to sleep: a power of two. */
#define RF_NET_LINK_TURNS 65536u

#define RF_NET_SLOT(ring, index) (&(ring)[(index) & (RF_NET_DEPTH - 1)])

/* The driver's state is `dev`, a zeroed struct of its own type. */
struct rf_net_driver {
	/* Once: the device is set up and may receive from here on. boot->net and
	 * boot->queue[0] say what there is. Returns how many empty buffers the device can
	 * hold, 1 to RF_NET_DEPTH; refill() never gives it more. */
	unsigned (*start)(void *dev, const struct rf_boot *boot);
	/* Gives the device `n` empty buffers: *RF_NET_SLOT(free, at + i), in units of
	 * RF_NET_UNIT from the start of the arena. */
	void (*refill)(void *dev, const uint32_t *free, uint32_t at, unsigned n);
	/* Fills *RF_NET_SLOT(rx, at + i) with what was received, at most RF_NET_BATCH records.
	 * Each buffer is given back by exactly one record; one with nothing good in it by one
	 * of length 0. Number of records. */
	unsigned (*receive)(void *dev, struct rf_net_frame *rx, uint32_t at);
	/* Hands frames to the device: *RF_NET_SLOT(tx, at + i). Number of records taken: whole
	 * frames only, fewer than `n` if the device's ring is full or the last frame is not
	 * all there. */
	unsigned (*send)(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n);
	/* Records handed over whose transmission is done, in order, since the last call. Only
	 * called while there are some under way. */
	unsigned (*reap)(void *dev);
	/* After the refill() and send() of a turn, if there was one: doorbells. May be NULL. */
	void (*commit)(void *dev);
	/* Would receive() give something; with `tx`, would reap()? Asked before sleeping. */
	bool (*pending)(void *dev, bool tx);
	/* Before the last look ahead of a sleep: interrupts on; with `tx`, for sent frames
	 * too. And off again afterwards. Either may be NULL. */
	void (*arm)(void *dev, bool tx);
	void (*disarm)(void *dev);
	/* Now and then, and after each sleep: the link, and in *dropped the number of frames
	 * the device lost since the start. NULL: it cannot tell. */
	enum rf_net_link (*link)(void *dev, uint64_t *dropped);
};

struct rf_net_queue {
	struct rf_ring_end   free, tx; /* consumer of both */
	struct rf_net_frame *rx_ring, *tx_ring;
	uint32_t            *free_ring;
	struct rf_ring      *rx;
	struct rf_net_chan  *chan;
	uint32_t             rx_own;   /* next record of rx */
	uint32_t             tx_head;  /* tx slots given back; tx.own: handed over */
	uint32_t             held;     /* buffers with the device */
	uint32_t             room;     /* most of them */
	bool                 blocked;  /* the device takes no more frames for now */
	uint64_t             turns;
	uint32_t             link;     /* as last published */
};

#define RF_NET_INLINE static inline __attribute__((always_inline))

RF_NET_INLINE void rf_net_attach(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev,
				 const struct rf_boot *boot)
{
	struct rf_net_chan *chan = (struct rf_net_chan *)(uintptr_t)boot->queue[0].chan;

	if (boot->queue_count != 1)
		rf_exit(RF_EXIT_BOOT);
	q->chan = chan;
	rf_ring_attach(&q->free, &chan->rx_free, RF_NET_DEPTH);
	rf_ring_attach(&q->tx, &chan->tx, RF_NET_DEPTH);
	q->rx = (struct rf_ring *)&chan->rx;
	q->rx_ring = (struct rf_net_frame *)q->rx->records;
	q->tx_ring = (struct rf_net_frame *)q->tx.ring->records;
	q->free_ring = (uint32_t *)q->free.ring->records;
	q->room = d->start(dev, boot);
	if (!q->room || q->room > RF_NET_DEPTH)
		rf_exit(RF_EXIT_BOOT);
}

/* Records ready in a ring the service fills; ends the driver if the index lies. */
RF_NET_INLINE unsigned rf_net_ready(struct rf_ring_end *end)
{
	int ready = rf_ring_ready(end);

	if (RF_UNLIKELY(ready < 0))
		rf_exit(RF_EXIT_RING);
	return (unsigned)ready;
}

/* Buffers are handed on by the batch; fewer only if there is nothing better to do and the
 * device has used up half of its own. */
RF_NET_INLINE unsigned rf_net_refill(const struct rf_net_driver *d, struct rf_net_queue *q,
				     void *dev, bool idle)
{
	unsigned n = q->free.peer - q->free.own, room = q->room - q->held;

	if (n < RF_NET_BATCH) {
		q->free.peer = atomic_load_explicit(&q->free.ring->tail, memory_order_acquire);
		n = q->free.peer - q->free.own;
		if (RF_UNLIKELY(n > RF_NET_DEPTH))
			rf_exit(RF_EXIT_RING);
		if (n < RF_NET_BATCH && (!idle || q->held > q->room / 2))
			return 0;
	}
	if (n > RF_NET_BATCH)
		n = RF_NET_BATCH;
	if (n > room)
		n = room;
	if (!n)
		return 0;
	d->refill(dev, q->free_ring, q->free.own, n);
	q->free.own += n;
	q->held += n;
	return n;
}

RF_NET_INLINE unsigned rf_net_reap(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev)
{
	uint32_t under_way = q->tx.own - q->tx_head;

	if (!under_way)
		return 0;
	unsigned n = d->reap(dev);
	if (RF_UNLIKELY(n > under_way))
		rf_exit(RF_EXIT_ANSWER);
	q->tx_head += n;
	return n;
}

RF_NET_INLINE unsigned rf_net_send(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev)
{
	unsigned ready = rf_net_ready(&q->tx);

	if (!ready)
		return 0;
	unsigned n = d->send(dev, q->tx_ring, q->tx.own, ready > RF_NET_BATCH ? RF_NET_BATCH : ready);
	q->tx.own += n;
	q->blocked = !n;
	return n;
}

RF_NET_INLINE void rf_net_look(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev)
{
	uint64_t dropped = 0;

	if (!d->link)
		return;
	uint32_t link = d->link(dev, &dropped);
	atomic_store_explicit(&q->chan->rx_dropped, dropped, memory_order_relaxed);
	if (link == q->link)
		return;
	q->link = link;
	atomic_store_explicit(&q->chan->link, link, memory_order_relaxed);
	rf_kick();
}

/* One turn. True if there was something to do. */
RF_NET_INLINE bool rf_net_turn(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev)
{
	unsigned got = d->receive(dev, q->rx_ring, q->rx_own);

	q->held -= got;
	q->rx_own += got;
	if (got)
		atomic_store_explicit(&q->rx->tail, q->rx_own, memory_order_release);
	unsigned refilled = rf_net_refill(d, q, dev, !got);
	unsigned sent = rf_net_send(d, q, dev);
	if (d->commit && refilled | sent)
		d->commit(dev);
	unsigned reaped = rf_net_reap(d, q, dev);
	if (reaped)
		atomic_store_explicit(&q->tx.ring->head, q->tx_head, memory_order_release);
	atomic_store_explicit(&q->chan->heartbeat, ++q->turns, memory_order_relaxed);
	if (RF_UNLIKELY(!(q->turns & (RF_NET_LINK_TURNS - 1))))
		rf_net_look(d, q, dev);
	if (got | reaped) {
		atomic_thread_fence(memory_order_seq_cst);
		if (RF_UNLIKELY((got && atomic_load_explicit(&q->rx->asleep, memory_order_relaxed)) ||
				(reaped && atomic_load_explicit(&q->chan->tx_wait, memory_order_relaxed))))
			rf_kick();
	}
	return got | refilled | sent | reaped;
}

/* Sleeps unless something came in after kicks and interrupts were asked for. */
RF_NET_INLINE void rf_net_sleep(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev,
				bool intx)
{
	bool hungry = q->held < RF_NET_BATCH && q->held < q->room;

	rf_net_look(d, q, dev);
	rf_ring_arm(&q->tx);
	if (hungry)
		rf_ring_arm(&q->free);
	/* Sent frames matter if the service waits for slots, or we for the device's. */
	bool tx = q->blocked || atomic_load_explicit(&q->chan->tx_wait, memory_order_relaxed);
	if (d->arm)
		d->arm(dev, tx);
	if (intx)
		rf_unmask();
	if (!(rf_net_ready(&q->tx) && !q->blocked) && !(hungry && rf_net_ready(&q->free)) &&
	    !d->pending(dev, tx))
		rf_wait();
	rf_ring_disarm(&q->tx);
	if (hungry)
		rf_ring_disarm(&q->free);
	if (d->disarm)
		d->disarm(dev);
	rf_net_look(d, q, dev);
}

RF_NET_INLINE _Noreturn void rf_net_run(const struct rf_net_driver *d, const struct rf_boot *boot,
					struct rf_net_queue *q, void *dev)
{
	const uint64_t budget = boot->tsc_hz || boot->spin_cycles == UINT64_MAX ?
					boot->spin_cycles : 0;
	const bool intx = boot->flags & RF_BOOT_INTX;
	uint64_t idle_since = 0; /* 0: busy */

	rf_net_attach(d, q, dev, boot);
	rf_net_look(d, q, dev);
	for (;;) {
		if (rf_net_turn(d, q, dev)) {
			idle_since = 0;
			continue;
		}
		if (budget) {
			if (!idle_since)
				idle_since = rf_tsc();
			if (budget == UINT64_MAX || rf_tsc() - idle_since < budget) {
				rf_pause();
				continue;
			}
		}
		/* The budget is renewed by work, not by a wake-up that brings none. */
		rf_net_sleep(d, q, dev, intx);
	}
}

/* Defines the driver's entry around `table`, a static const struct rf_net_driver. */
#define RF_NET_DRIVER(table, state_type)                                                  \
	__attribute__((flatten)) _Noreturn void rf_driver_start(const struct rf_boot *boot) \
	{                                                                                 \
		static struct rf_net_queue rf_queue;                                      \
		static state_type          rf_dev;                                        \
                                                                                          \
		rf_boot_check(boot);                                                      \
		rf_net_run(&table, boot, &rf_queue, &rf_dev);                             \
	}

#endif
