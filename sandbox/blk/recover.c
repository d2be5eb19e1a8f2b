/* SPDX-License-Identifier: MIT */
/*
 * recover.c - what happens to requests when their driver dies.
 *
 * Room:   sandbox/blk, trusted. The block engine's half of session_core.h.
 * Steps:  DOWN      what is left in the table becomes RF_ENTRY_REDO, and fills the
 *                   successor's ring.
 *         QUIESCED  the device is silent. Only now may a poisoned request fail, for
 *                   its buffer is free from then on. The cache may be lost.
 *         UP        requests that waited flow again.
 * Poison: a request that was reissued twice is reissued alone, all others held back.
 *         If that driver dies too, this request failed it: it gets -EIO and its name
 *         in the log.
 * Cache:  see cache.c.
 */
#include <errno.h>
#include <string.h>

#include "capture.h"
#include "core.h"
#include "service.h"

static uint32_t requests_drain(struct rf_session *session, enum rf_proto_error *bad)
{
	struct rf_blk_queue *q = rf_blk_queue_of(session);
	uint32_t drained = 0;
	int taken;

	while ((taken = rf_blk_take(q, bad)) > 0 && !*bad)
		drained += (uint32_t)taken;
	return *bad ? drained + (uint32_t)taken : drained;
}

/* One that was in flight is not any more. */
static void entry_died(struct rf_blk_queue *q, struct rf_table_entry *e)
{
	e->req.tag = 0;
	e->mark |= RF_MARK_DIED;
	e->state = RF_ENTRY_REDO;
	if (q->alone && q->session.was_up)
		e->mark |= RF_MARK_POISON;
	/* A driver that was never let go has seen nothing of it. */
	if (!q->session.was_up && e->attempts)
		e->attempts--;
}

/* Everything in flight is in flight no more. Is anything reissued? */
static bool requests_collect(struct rf_session *session, struct rf_recovery_service *log)
{
	struct rf_blk_queue *q = rf_blk_queue_of(session);

	log->inflight = log->drained + rf_entries_in(q, RF_ENTRY_FLIGHT);
	session->gate |= RF_GATE_REDO;
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		struct rf_table_entry *e = &q->entry[i];

		if (e->state == RF_ENTRY_FREE)
			continue;
		if (e->state == RF_ENTRY_FLIGHT)
			entry_died(q, e);
		if (!(e->mark & RF_MARK_POISON))
			log->reissued++;
	}
	return log->reissued > 0;
}

static void requests_attach(struct rf_session *session)
{
	struct rf_blk_queue *q = rf_blk_queue_of(session);
	struct rf_blk_chan *chan = rf_session_chan(session, session->half);

	rf_ring_attach(&q->req, chan->req.bytes, RF_BLK_DEPTH);
	rf_ring_attach(&q->resp, chan->resp.bytes, RF_BLK_DEPTH);
	q->disk->table->head.generation = session->generation;
	q->alone = false;
}

static void requests_fill(struct rf_session *session)
{
	struct rf_blk_queue *q = rf_blk_queue_of(session);

	rf_redo_next(q);
	rf_queue_push(q);
}

static void requests_capture(struct rf_session *session, uint32_t generation, uint32_t half)
{
	struct rf_capture_service *a = (void *)((char *)session->stats + RF_CAPTURE_SERVICE);
	const struct rf_blk_chan *chan = rf_session_chan(session, half);
	const struct rf_ring *req = (const void *)chan->req.bytes,
			     *resp = (const void *)chan->resp.bytes;

	a += generation % RF_CAPTURE_SLOTS;
	a->generation = 0;
	a->req_tail = req->tail;
	a->resp_tail = resp->tail;
	a->heartbeat = chan->heartbeat;
	for (uint32_t i = 1; i <= RF_CAPTURE_TAIL; i++) {
		uint32_t q = a->req_tail - i, p = a->resp_tail - i;

		memcpy(&a->req[q % RF_CAPTURE_TAIL],
		       req->records + q % RF_BLK_DEPTH * sizeof(struct rf_blk_req),
		       sizeof(struct rf_blk_req));
		memcpy(&a->resp[p % RF_CAPTURE_TAIL],
		       resp->records + p % RF_BLK_DEPTH * sizeof(struct rf_blk_resp),
		       sizeof(struct rf_blk_resp));
	}
	memcpy(a->mmio, chan->mmio, sizeof(a->mmio));
	a->generation = generation;
}

static void fail_poisoned(struct rf_blk_queue *q)
{
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		struct rf_table_entry *e = &q->entry[i];

		if (e->state == RF_ENTRY_FREE || !(e->mark & RF_MARK_POISON))
			continue;
		rf_log("%s of %u bytes at %llu fails with EIO: %u drivers died of it, the last "
		       "one with nothing else in flight",
		       rf_op_names[e->req.op], e->req.length, (unsigned long long)e->req.offset,
		       e->attempts + 1u);
		rf_entry_finish(q, i, -EIO);
	}
}

static void requests_quiesced(struct rf_session *session, bool cache_lost)
{
	fail_poisoned(rf_blk_queue_of(session));
	if (cache_lost)
		rf_cache_lost(rf_blk_of(session));
}

static void requests_up(struct rf_session *session)
{
	struct rf_blk *s = rf_blk_of(session);

	s->filter->ops->up(s->filter);
	rf_waiting_pump(s);
	rf_blk_queue_of(session)->dirty = 1;
	rf_blk_push(s);
}

/* Those that were held back behind an older one. */
static void held_fail(struct rf_blk *s)
{
	struct rf_order *h = &s->order;
	uint64_t waiting;

	while ((waiting = h->held | h->ready)) {
		uint32_t i = (uint32_t)__builtin_ctzll(waiting);
		struct rf_io *io = h->slot[i].io;

		h->held &= ~(1ull << i);
		h->ready &= ~(1ull << i);
		if (rf_op_writes(io->op))
			rf_order_remove(h, RF_ORDER_HELD + i);
		rf_io_goes_on(io);
		io->done(io, -EIO);
	}
}

static void requests_gone(struct rf_session *session)
{
	struct rf_blk *s = rf_blk_of(session);

	memset(s->limit, 0, sizeof(s->limit)); /* every submission is looked at, and refused */
	RF_EACH_QUEUE(q, s) {
		/* nothing read into it is shown to anybody any more */
		q->session.arena_ours = true;
		for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
			if (q->entry[i].state != RF_ENTRY_FREE)
				rf_entry_finish(q, i, -EIO);
	}
	held_fail(s);
	while (s->queue_head) {
		struct rf_io *io = s->queue_head;

		s->queue_head = io->next;
		rf_io_goes_on(io);
		io->done(io, -EIO);
	}
	s->queue_tail = &s->queue_head;
	s->filter->ops->gone(s->filter);
}

static void requests_publish(struct rf_session *session)
{
	rf_stats_publish(rf_blk_of(session));
}

static struct rf_session *requests_queue(struct rf_session *first, uint32_t i)
{
	return &rf_blk_of(first)->queue[i].session;
}

const struct rf_session_ops rf_blk_session = {
	.chan_bytes = RF_BLK_CHAN_BYTES,
	.queue = requests_queue,
	.info = rf_disk_info,
	.drain = requests_drain,
	.collect = requests_collect,
	.attach = requests_attach,
	.fill = requests_fill,
	.capture = requests_capture,
	.quiesced = requests_quiesced,
	.up = requests_up,
	.gone = requests_gone,
	.back = rf_disk_back,
	.look = rf_requests_look,
	.publish = requests_publish,
};

void rf_blk_drop(struct rf_blk *s)
{
	rf_session_drop(&s->queue[0].session);
}

int rf_blk_control(struct rf_blk *s)
{
	return rf_session_control(&s->queue[0].session);
}
