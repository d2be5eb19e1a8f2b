/* SPDX-License-Identifier: MIT */
/*
 * ages.c - does the driver move, and are requests too old: it, or the device, does not answer.
 *
 * Room:   sandbox/blk, trusted.
 * Clock:  the time this process was let run, since a device in software may have had no
 *         processor either.
 */
#include "clock.h"
#include "core.h"

#define SLOW_OPS     4  /* times the stall time: flush, discard, zero at least */
#define SLOW_AT_MOST 16 /* times the patience with what waits beside slow ones */
#define BESIDE       4  /* the part of a slow one's patience for what waits beside it */

const char *const rf_op_names[] = {
	[RF_BLK_READ] = "read", [RF_BLK_WRITE] = "write", [RF_BLK_FLUSH] = "flush",
	[RF_BLK_DISCARD] = "discard", [RF_BLK_ZERO] = "zero",
};

static bool is_slow(uint8_t op)
{
	return op == RF_BLK_DISCARD || op == RF_BLK_ZERO;
}

/* What may make a device write back its whole cache takes longer, what makes it walk its
 * tables longer still, and reads and writes may wait behind that. A request that was stalled
 * before is waited for twice as long: its device may be only slow, and after so many deaths
 * the request itself would fail. */
static uint64_t patience_ns(const struct rf_blk_queue *q, const struct rf_table_entry *e, bool slow)
{
	unsigned attempts = e->attempts < 4 ? e->attempts : 4;
	uint64_t ns = q->session.config.stall_ns * (e->req.op > RF_BLK_WRITE ? SLOW_OPS : 1);
	uint64_t longer = !slow              ? 0 :
			  is_slow(e->req.op) ? q->session.config.slow_ns :
					       q->session.config.slow_ns / BESIDE;

	return (ns < longer ? longer : ns) << attempts;
}

/* Discards and zeroings may be done one after the other: while some are answered the others
 * are young, within reason. */
static bool too_old(const struct rf_blk_queue *q, uint32_t i)
{
	uint64_t most = patience_ns(q, &q->entry[i], q->stall[i].slow);
	uint64_t age = q->session.lived.ns - q->stall[i].lived_ns;

	if (q->session.config.nudge_ns &&
	    !rf_hang_watch_alive_since(&q->session.watch, q->stall[i].since + most))
		return false;
	if (q->stall[i].slow && age < most * SLOW_AT_MOST &&
	    q->stall[i].lived_ns < q->slow_lived_ns)
		age = q->session.lived.ns - q->slow_lived_ns;
	return age >= most;
}

static bool queue_has_slow(const struct rf_blk_queue *q)
{
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
		if (q->entry[i].state == RF_ENTRY_FLIGHT && is_slow(q->entry[i].req.op))
			return true;
	return false;
}

/* Is a discard or zeroing under way, in any queue? Notes when the last one was answered. */
static bool look_for_slow(struct rf_blk_queue *own)
{
	struct rf_blk *s = own->disk;

	if (s->slow_done != own->slow_seen)
		own->slow_lived_ns = own->session.lived.ns;
	own->slow_seen = s->slow_done;
	RF_EACH_QUEUE(q, s)
		if (queue_has_slow(q))
			return true;
	return false;
}

static void ages_look(struct rf_blk_queue *q, uint64_t now)
{
	bool slow = look_for_slow(q);

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		const struct rf_table_entry *e = &q->entry[i];
		uint64_t id = (uint64_t)e->req.generation << 32 | e->req.tag;

		if (e->state != RF_ENTRY_FLIGHT || id != q->stall[i].tag) {
			q->stall[i].tag = id;
			q->stall[i].since = now;
			q->stall[i].lived_ns = q->session.lived.ns;
			q->stall[i].slow = slow;
			continue;
		}
		q->stall[i].slow |= slow;
		if (q->session.stalled || !too_old(q, i))
			continue;
		rf_log("%s of %u bytes at %llu has no answer for %llu ms", rf_op_names[e->req.op],
		       e->req.length, (unsigned long long)e->req.offset,
		       (unsigned long long)(now - q->stall[i].since) / 1000000);
		rf_session_stalled(&q->session);
	}
}


void rf_requests_look(struct rf_session *session, uint64_t now)
{
	struct rf_blk_queue *q = rf_blk_queue_of(session);
	const struct rf_blk_chan *chan = rf_session_chan(session, session->half);
	const struct rf_session_work work = {
		.waiting = q->free_count != RF_BLK_DEPTH,
		.look = true,
		.progress = q->count.completed,
		.heartbeat = atomic_load_explicit(&chan->heartbeat, memory_order_acquire),
		.nudge_ns = session->config.nudge_ns,
	};

	if (work.nudge_ns)
		rf_session_watch(session, now, &work);
	const uint64_t stall_ns = session->config.stall_ns;
	if (stall_ns && rf_lived_turn(&session->lived, now, stall_ns))
		ages_look(q, now);
}

static int queue_patience(const struct rf_blk_queue *q)
{
	if (q->session.unsent.type)
		return RF_HANG_TURN_MS;
	bool waits = q->free_count != RF_BLK_DEPTH && q->session.state == RF_DRIVER_UP;

	return waits ? rf_hang_watch_turn(&q->session.watch) : -1;
}

int rf_blk_patience(const struct rf_blk *s)
{
	int least = -1;

	for (uint32_t i = 0; i < s->queues; i++) {
		int ms = queue_patience(&s->queue[i]);

		if (ms >= 0 && (least < 0 || ms < least))
			least = ms;
	}
	return least;
}

void rf_blk_tick(struct rf_blk *s)
{
	rf_latency_tick(&s->latency, rf_now_ns());
	RF_EACH_QUEUE(q, s)
		rf_session_tick(&q->session);
}
