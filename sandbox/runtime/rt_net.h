/* SPDX-License-Identifier: MIT */
/*
 * rt_net.h - the event loop of a net driver, compiled around its functions.
 *
 * Room:   sandbox/runtime, untrusted. (The layouts are in sandbox/abi/net.h, which comes
 *         with it. A unit test includes this one by its whole path, ahead of the driver.)
 * Use:    a driver fills in struct rf_net_driver and ends with
 *         RF_NET_DRIVER(table, struct its_state). The loop is inlined together with the
 *         functions of the table: there are no calls on the data path.
 * Batch:  the functions get a whole batch, so that a driver keeps its indexes in local
 *         variables and stores them once. Records are written and read where they lie:
 *         RF_NET_SLOT(ring, index), index free-running.
 * Turn:   receive, refill, send, commit, and reap where many frames are under way; what the
 *         service may see is published by one store a ring, and the service kicked if it
 *         sleeps. What can wait is done where turns find nothing, now and then and before
 *         each sleep: the last few frames sent, buffers that are not a batch. Turns without
 *         work go on for as long as poll_window.h says, boot->spin_cycles at most; then arm,
 *         look again, sleep.
 */
#ifndef RF_RUNTIME_NET_H
#define RF_RUNTIME_NET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "driver_exit.h"
#include "net.h"
#include "net_types.h"
#include "poll_window.h"
#include "ring.h"
#include "rt.h"

/* Most records of one call of receive(), send() or refill(). */
#define RF_NET_BATCH 32u
/* Turns between two looks at the link while there is no time to sleep: a power of two. */
#define RF_NET_LINK_TURNS 65536u
/* Turns in a row without work, until the clock is looked at, and what can wait: powers of two. */
#define RF_NET_CLOCK_TURNS 64u
#define RF_NET_SPARE_TURNS 1024u
/* Records under way that are reaped in a turn with work. */
#define RF_NET_REAP_AT 16u

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
	/* Records handed over whose transmission is done, in order, since the last call.
	 * `under_way` have not been reported yet: at least one. */
	unsigned (*reap)(void *dev, unsigned under_way);
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
	uint32_t             room;     /* most buffers the device can hold */
	uint32_t             wanting;  /* of these: not with it */
	uint32_t             look_at;  /* so many wanting: worth a look for a batch */
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
		rf_exit(RF_DRIVER_EXIT_BOOT);
	q->chan = chan;
	rf_ring_attach(&q->free, &chan->rx_free, RF_NET_DEPTH);
	rf_ring_attach(&q->tx, &chan->tx, RF_NET_DEPTH);
	q->rx = (struct rf_ring *)&chan->rx;
	q->rx_ring = (struct rf_net_frame *)q->rx->records;
	q->tx_ring = (struct rf_net_frame *)q->tx.ring->records;
	q->free_ring = (uint32_t *)q->free.ring->records;
	q->room = d->start(dev, boot);
	if (!q->room || q->room > RF_NET_DEPTH)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	q->wanting = q->room;
	q->look_at = RF_NET_BATCH;
}

/* Records ready in a ring the service fills; ends the driver if the index lies. */
RF_NET_INLINE unsigned rf_net_ready(struct rf_ring_end *end)
{
	uint32_t ready = atomic_load_explicit(&end->ring->tail, memory_order_acquire) - end->own;

	if (RF_UNLIKELY(ready > RF_NET_DEPTH))
		rf_exit(RF_DRIVER_EXIT_RING);
	return ready;
}

/* Buffers are handed on by the batch; fewer only if there is nothing better to do and the
 * device has used up half of its own. Before that nobody looks in vain every turn. */
RF_NET_INLINE unsigned rf_net_refill(const struct rf_net_driver *d, struct rf_net_queue *q,
				     void *dev, bool idle)
{
	unsigned n = q->free.peer - q->free.own;

	if (n < RF_NET_BATCH) {
		n = rf_net_ready(&q->free);
		q->free.peer = q->free.own + n;
		if (n < RF_NET_BATCH && (!idle || q->wanting < q->room / 2)) {
			uint32_t later = q->wanting + RF_NET_BATCH / 4, half = q->room / 2;
			q->look_at = later < half ? later : half;
			return 0;
		}
	}
	q->look_at = RF_NET_BATCH;
	if (n > RF_NET_BATCH)
		n = RF_NET_BATCH;
	if (n > q->wanting)
		n = q->wanting;
	if (!n)
		return 0;
	d->refill(dev, q->free_ring, q->free.own, n);
	q->free.own += n;
	q->wanting -= n;
	return n;
}

/* Frames received, for the service to see. */
RF_NET_INLINE void rf_net_received(struct rf_net_queue *q, unsigned n)
{
	q->wanting += n;
	q->rx_own += n;
	atomic_store_explicit(&q->rx->tail, q->rx_own, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (RF_UNLIKELY(atomic_load_explicit(&q->rx->asleep, memory_order_relaxed)))
		rf_kick();
}

RF_NET_INLINE unsigned rt_net_rf_net_reap(const struct rf_net_driver *d, struct rf_net_queue *q,
					  void *dev)
{
	uint32_t under_way = q->tx.own - q->tx_head;
	unsigned n = under_way ? d->reap(dev, under_way) : 0;

	if (!n)
		return 0;
	if (RF_UNLIKELY(n > under_way))
		rf_exit(RF_DRIVER_EXIT_ANSWER);
	q->tx_head += n;
	atomic_store_explicit(&q->tx.ring->head, q->tx_head, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (RF_UNLIKELY(atomic_load_explicit(&q->chan->tx_wait, memory_order_relaxed)))
		rf_kick();
	return n;
}

RF_NET_INLINE unsigned rf_net_send(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev,
				   unsigned ready)
{
	unsigned n =
		d->send(dev, q->tx_ring, q->tx.own, ready > RF_NET_BATCH ? RF_NET_BATCH : ready);

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
	unsigned got = d->receive(dev, q->rx_ring, q->rx_own), refilled = 0, sent = 0, reaped = 0;

	if (got)
		rf_net_received(q, got);
	if (RF_UNLIKELY(q->wanting >= q->look_at))
		refilled = rf_net_refill(d, q, dev, !got);
	unsigned ready = rf_net_ready(&q->tx);
	if (ready)
		sent = rf_net_send(d, q, dev, ready);
	if (d->commit && refilled | sent)
		d->commit(dev);
	if (ready && (RF_UNLIKELY(!sent) || q->tx.own - q->tx_head >= RF_NET_REAP_AT))
		reaped = rt_net_rf_net_reap(d, q, dev);
	atomic_store_explicit(&q->chan->heartbeat, ++q->turns, memory_order_relaxed);
	if (d->link && RF_UNLIKELY(!(q->turns & (RF_NET_LINK_TURNS - 1))))
		rf_net_look(d, q, dev);
	return got | refilled | sent | reaped;
}

/* What can wait until there is nothing else. True if there was something to do. */
RF_NET_INLINE bool rf_net_spare(const struct rf_net_driver *d, struct rf_net_queue *q, void *dev)
{
	unsigned refilled = rf_net_refill(d, q, dev, true);

	if (d->commit && refilled)
		d->commit(dev);
	return refilled | rt_net_rf_net_reap(d, q, dev);
}

/* Sleeps unless something came in after kicks and interrupts were asked for. */
RF_NET_INLINE void rt_net_rf_net_sleep(const struct rf_net_driver *d, struct rf_net_queue *q,
				       void *dev, bool intx)
{
	bool hungry = q->room - q->wanting < RF_NET_BATCH && q->wanting;

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
	uint64_t idle = 0, since = 0; /* turns in a row without work; the time at the first few */
	struct rf_poll_window window;

	rf_poll_window_open(&window, budget);
	rf_net_attach(d, q, dev, boot);
	rf_net_look(d, q, dev);
	for (;;) {
		if (rf_net_turn(d, q, dev)) {
			idle = 0;
			continue;
		}
		if (budget && ++idle & (RF_NET_CLOCK_TURNS - 1)) {
			rf_pause();
			continue;
		}
		/* The budget is renewed by work, not by a wake-up that brings none. */
		if (idle == RF_NET_CLOCK_TURNS)
			since = rf_tsc();
		bool spin = budget == UINT64_MAX ||
			    (budget && rf_poll_window_lasts(&window, rf_tsc() - since));
		if (!(spin && idle & (RF_NET_SPARE_TURNS - 1)) && rf_net_spare(d, q, dev)) {
			idle = 0;
			continue;
		}
		if (spin) {
			rf_pause();
			continue;
		}
		rt_net_rf_net_sleep(d, q, dev, intx);
		if (budget)
			rf_poll_window_learn(&window, rf_tsc() - since);
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
