/* SPDX-License-Identifier: MIT */
/*
 * rt_blk.h - the event loop of a block driver, compiled around its functions.
 *
 * Room:   sandbox/runtime, untrusted.
 * Use:    a driver fills in struct rf_blk_driver and ends with
 *         RF_BLK_DRIVER(table, struct its_queue). The loop is inlined together
 *         with the functions of the table: there are no calls on the data path.
 * Slots:  the loop numbers the requests a queue has in flight 0 to slots-1 and
 *         remembers what they answer to; a driver hands the number to its device
 *         (a command identifier) and gives it back when the device is done.
 * Turn:   take requests -> submit each -> commit once; poll completions -> done
 *         once; publish the answers, kick the service if it sleeps. Idle turns
 *         go on for as long as poll_window.h says, boot->spin_cycles at most; then ask
 *         for the kick, look again, sleep.
 */
#ifndef RF_BLK_H
#define RF_BLK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "driver_exit.h"
#include "poll_window.h"
#include "ring.h"
#include "rt.h"

/* Most requests, and most completions, of one turn. */
#define RF_BLK_BATCH 32u

/* One queue's state is `dev`, a zeroed struct of the driver's own type. */
struct rf_blk_driver {
	/* Once a queue. Number of requests it can hold at a time, 1 to RF_BLK_DEPTH. */
	unsigned (*start)(void *dev, const struct rf_boot *boot, unsigned queue);
	/* Builds the descriptor of one request; its number comes back by poll(). 0, or
	 * a status of rf_blk_status_valid(): answered with it at once. */
	int (*submit)(void *dev, unsigned slot, const struct rf_blk_req *req);
	/* After the last submit() of a turn: ring the doorbell. */
	void (*commit)(void *dev);
	/* Next completion: true with the request's number and status. */
	bool (*poll)(void *dev, unsigned *slot, int *status);
	/* After the last poll() that gave something: give the entries back. */
	void (*done)(void *dev);
	/* Would poll() give something? Asked before sleeping. */
	bool (*pending)(void *dev);
};

struct rf_blk_queue {
	struct rf_ring_end  req, resp;
	struct rf_blk_chan *chan;
	uint64_t            turns;
	uint32_t            slots;
	uint32_t            free_count;
	uint16_t            free[RF_BLK_DEPTH]; /* stack of slot numbers */
	bool                busy[RF_BLK_DEPTH];
	struct rf_blk_id {
		uint32_t tag, generation;       /* as they came */
	} id[RF_BLK_DEPTH];
};

/* Turns without work, and how long they may go on. */
struct rf_blk_lull {
	uint64_t most;  /* boot->spin_cycles */
	uint64_t since; /* when they began; 0: busy */
	struct rf_poll_window *window, windows[2]; /* with nothing, or something at the device */
};

#define RF_BLK_INLINE static inline __attribute__((always_inline))

RF_BLK_INLINE void rf_blk_attach(const struct rf_blk_driver *d, struct rf_blk_queue *q, void *dev,
				 const struct rf_boot *boot, unsigned i)
{
	q->chan = (struct rf_blk_chan *)(uintptr_t)boot->queue[i].chan;
	if (!i)
		rf_mmio_notes =
			(struct rf_mmio_notes){ .at = q->chan->mmio, .base = boot->queue[i].regs };
	rf_ring_attach(&q->req, &q->chan->req, RF_BLK_DEPTH);
	rf_ring_attach(&q->resp, &q->chan->resp, RF_BLK_DEPTH);
	q->slots = d->start(dev, boot, i);
	if (!q->slots || q->slots > RF_BLK_DEPTH)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	/* A stack, so that few slots (and cache lines) are in use with few requests. */
	while (q->free_count < q->slots) {
		q->free[q->free_count] = (uint16_t)(q->slots - 1 - q->free_count);
		q->free_count++;
	}
}

/* Writes a response as two words: field by field the compiler clears it all first, and both at
 * once it packs them in a vector. */
RF_BLK_INLINE void rf_blk_resp_put(struct rf_blk_resp *to, const struct rf_blk_id *id, int status)
{
	typedef uint64_t __attribute__((may_alias)) word_t;
	volatile word_t *word = (void *)to;
	uint64_t first;

	_Static_assert(offsetof(struct rf_blk_resp, status) == sizeof(*id) &&
			       sizeof(*to) == 2 * sizeof(*word),
		       "the first word is the request's, the second one has the status");
	memcpy(&first, id, sizeof(first));
	word[0] = first;
	word[1] = (uint32_t)status;
}

/* Puts a response that is known to fit, not yet published. */
RF_BLK_INLINE void rf_blk_answer(struct rf_blk_queue *q, const struct rf_blk_id *id, int status)
{
	struct rf_blk_resp resp;

	rf_blk_resp_put(&resp, id, status);
	rf_ring_put(&q->resp, &resp, sizeof(resp));
}

/* How many requests may be taken now; ends the driver if the service's index lies. */
RF_BLK_INLINE unsigned rf_blk_ready(struct rf_blk_queue *q)
{
	int      ready = rf_ring_ready(&q->req);
	unsigned n = (unsigned)ready;

	if (RF_UNLIKELY(ready < 0))
		rf_exit(RF_DRIVER_EXIT_RING);
	if (n > q->free_count)
		n = q->free_count;
	if (n > RF_BLK_BATCH)
		n = RF_BLK_BATCH;
	if (!n)
		return 0;
	/* Each may be answered at once. Too little room is not for long: the service
	 * gives it back when it takes its answers. */
	int space = rf_ring_space(&q->resp, n);
	if (RF_UNLIKELY(space < 0))
		rf_exit(RF_DRIVER_EXIT_RING);
	return RF_UNLIKELY((unsigned)space < n) ? 0 : n;
}

/*
 * Number of requests taken. A request is read where it lies: the service is
 * trusted on this side of the fence, and leaves it alone until the release.
 */
RF_BLK_INLINE unsigned rf_blk_submit(const struct rf_blk_driver *d, struct rf_blk_queue *q,
				     void *dev)
{
	const struct rf_blk_req *records = (const void *)q->req.ring->records;
	unsigned n = rf_blk_ready(q);
	uint32_t at = q->req.own, end = at + n, free_count = q->free_count;

	if (!n)
		return 0;
	for (; at != end; at++) {
		const struct rf_blk_req *req = &records[at & (RF_BLK_DEPTH - 1)];
		const struct rf_blk_id   id = { req->tag, req->generation };
		unsigned                 slot = q->free[--free_count];

		q->id[slot] = id;
		q->busy[slot] = true;
		int status = d->submit(dev, slot, req);
		if (RF_UNLIKELY(status)) {
			rf_blk_answer(q, &id, status);
			q->busy[slot] = false;
			free_count++; /* the slot is still there */
		}
	}
	q->free_count = free_count;
	q->req.own = end;
	rf_ring_release(&q->req);
	if (d->commit)
		d->commit(dev);
	return n;
}

/* Room for responses, at most a batch; ends the driver if the service's index lies. */
RF_BLK_INLINE unsigned rf_blk_room(struct rf_blk_queue *q)
{
	int space = rf_ring_space(&q->resp, RF_BLK_BATCH);

	if (RF_LIKELY(space >= (int)RF_BLK_BATCH))
		return RF_BLK_BATCH;
	if (space < 0)
		rf_exit(RF_DRIVER_EXIT_RING);
	return (unsigned)space;
}

/* Number of completions taken. Responses are written in place, at `at`. */
RF_BLK_INLINE unsigned rf_blk_complete(const struct rf_blk_driver *d, struct rf_blk_queue *q,
				       void *dev)
{
	struct rf_blk_resp *records = (void *)q->resp.ring->records;
	unsigned slot;
	int      status;

	if (!d->pending(dev))
		return 0;
	uint32_t start = q->resp.own, at = start, end = start + rf_blk_room(q);
	uint32_t free_count = q->free_count;
	while (at != end && d->poll(dev, &slot, &status)) {
		/* A number that is not in flight: the device, or we, lost count. */
		if (RF_UNLIKELY(slot >= RF_BLK_DEPTH || !q->busy[slot]))
			rf_exit(RF_DRIVER_EXIT_ANSWER);
		rf_blk_resp_put(&records[at++ & (RF_BLK_DEPTH - 1)], &q->id[slot], status);
		q->busy[slot] = false;
		q->free[free_count++] = (uint16_t)slot;
	}
	q->free_count = free_count;
	q->resp.own = at;
	if (at != start && d->done)
		d->done(dev);
	return at - start;
}

/* One turn of one queue. True if there was something to do. */
RF_BLK_INLINE bool rf_blk_turn(const struct rf_blk_driver *d, struct rf_blk_queue *q, void *dev)
{
	uint32_t before = q->resp.own;
	unsigned work = rf_blk_submit(d, q, dev);

	work += rf_blk_complete(d, q, dev);
	atomic_store_explicit(&q->chan->heartbeat, ++q->turns, memory_order_relaxed);
	if (q->resp.own != before) {
		rf_ring_publish(&q->resp);
		if (rf_ring_peer_asleep(&q->resp))
			rf_kick();
	}
	return work != 0;
}

/*
 * May this queue sleep? Requests without a free slot wait for the device, so they
 * are no reason to stay awake. Responses that do not fit are: the service gives
 * room back without a kick.
 */
RF_BLK_INLINE bool rf_blk_idle(const struct rf_blk_driver *d, struct rf_blk_queue *q, void *dev)
{
	if (q->free_count && rf_ring_ready(&q->req))
		return false;
	return !d->pending(dev);
}

/*
 * Sleeps unless something came in after the kick was asked for. INTx is re-armed before
 * that last look, by when the driver has cleared all causes it saw: a cause that is new
 * then interrupts at once.
 */
RF_BLK_INLINE void rf_blk_sleep(const struct rf_blk_driver *d, struct rf_blk_queue *q, char *dev,
				size_t dev_bytes, unsigned queues, bool intx)
{
	bool idle = true;

	for (unsigned i = 0; i < queues; i++)
		rf_ring_arm(&q[i].req);
	if (intx)
		rf_unmask();
	for (unsigned i = 0; i < queues; i++)
		idle &= rf_blk_idle(d, &q[i], dev + i * dev_bytes);
	if (idle)
		rf_wait();
	for (unsigned i = 0; i < queues; i++)
		rf_ring_disarm(&q[i].req);
}

/*
 * Without work since idle->since: look again, or sleep? Waits for the device and waits for
 * requests are as long as different things make them, so each has a window of its own.
 */
RF_BLK_INLINE void rf_blk_wait(const struct rf_blk_driver *d, struct rf_blk_lull *idle,
			       struct rf_blk_queue *q, char *dev, size_t dev_bytes,
			       unsigned queues, bool intx)
{
	if (idle->most == UINT64_MAX) {
		rf_pause();
		return;
	}
	if (idle->most) {
		uint64_t now = rf_tsc();

		if (!idle->since) {
			bool device = false;

			for (unsigned i = 0; i < queues; i++)
				device |= q[i].free_count != q[i].slots;
			idle->since = now;
			idle->window = &idle->windows[device];
		}
		if (rf_poll_window_lasts(idle->window, now - idle->since)) {
			rf_pause();
			return;
		}
	}
	/* The window is opened by work, not by a wake-up that brings none. */
	rf_blk_sleep(d, q, dev, dev_bytes, queues, intx);
}

RF_BLK_INLINE _Noreturn void rf_blk_run(const struct rf_blk_driver *d, const struct rf_boot *boot,
					struct rf_blk_queue *q, char *dev, size_t dev_bytes)
{
	const unsigned queues = boot->queue_count;
	const bool intx = boot->flags & RF_BOOT_INTX;
	struct rf_blk_lull idle = {
		.most = boot->tsc_hz || boot->spin_cycles == UINT64_MAX ? boot->spin_cycles : 0,
	};

	for (unsigned i = 0; i < 2; i++)
		rf_poll_window_open(&idle.windows[i], idle.most);
	for (unsigned i = 0; i < queues; i++)
		rf_blk_attach(d, &q[i], dev + i * dev_bytes, boot, i);
	for (;;) {
		bool work = false;

		for (unsigned i = 0; i < queues; i++)
			work |= rf_blk_turn(d, &q[i], dev + i * dev_bytes);
		if (!work)
			rf_blk_wait(d, &idle, q, dev, dev_bytes, queues, intx);
		else if (idle.since) {
			rf_poll_window_learn(idle.window, rf_tsc() - idle.since);
			idle.since = 0;
		}
	}
}

/* Defines the driver's entry around `table`, a static const struct rf_blk_driver. */
#define RF_BLK_DRIVER(table, queue_type)                                                  \
	__attribute__((flatten)) _Noreturn void rf_driver_start(const struct rf_boot *boot) \
	{                                                                                 \
		static struct rf_blk_queue rf_queues[RF_MAX_QUEUES];                      \
		static queue_type          rf_devs[RF_MAX_QUEUES];                        \
                                                                                          \
		rf_boot_check(boot);                                                      \
		rf_blk_run(&table, boot, rf_queues, (char *)rf_devs, sizeof(queue_type)); \
	}

#endif
