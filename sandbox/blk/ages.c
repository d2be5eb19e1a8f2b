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
static uint64_t patience_ns(const struct rf_blk *s, const struct rf_table_entry *e, bool slow)
{
	unsigned attempts = e->attempts < 4 ? e->attempts : 4;
	uint64_t ns = s->session.config.stall_ns * (e->req.op > RF_BLK_WRITE ? SLOW_OPS : 1);
	uint64_t longer = !slow              ? 0 :
			  is_slow(e->req.op) ? s->session.config.slow_ns :
					       s->session.config.slow_ns / BESIDE;

	return (ns < longer ? longer : ns) << attempts;
}

/* Discards and zeroings may be done one after the other: while some are answered the others
 * are young, within reason. */
static bool too_old(const struct rf_blk *s, uint32_t i)
{
	uint64_t most = patience_ns(s, &s->entry[i], s->stall[i].slow);
	uint64_t age = s->session.lived.ns - s->stall[i].lived_ns;

	if (s->session.config.nudge_ns &&
	    !rf_hang_watch_alive_since(&s->session.watch, s->stall[i].since + most))
		return false;
	if (s->stall[i].slow && age < most * SLOW_AT_MOST &&
	    s->stall[i].lived_ns < s->slow_lived_ns)
		age = s->session.lived.ns - s->slow_lived_ns;
	return age >= most;
}

/* Is a discard or zeroing under way? Notes when the last one was answered. */
static bool look_for_slow(struct rf_blk *s)
{
	bool any = false;

	if (s->slow_done != s->slow_seen)
		s->slow_lived_ns = s->session.lived.ns;
	s->slow_seen = s->slow_done;
	for (uint32_t i = 0; i < RF_BLK_DEPTH && !any; i++)
		any = s->entry[i].state == RF_ENTRY_FLIGHT && is_slow(s->entry[i].req.op);
	return any;
}

static void ages_look(struct rf_blk *s, uint64_t now)
{
	bool slow = look_for_slow(s);

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		const struct rf_table_entry *e = &s->entry[i];
		uint64_t id = (uint64_t)e->req.generation << 32 | e->req.tag;

		if (e->state != RF_ENTRY_FLIGHT || id != s->stall[i].tag) {
			s->stall[i].tag = id;
			s->stall[i].since = now;
			s->stall[i].lived_ns = s->session.lived.ns;
			s->stall[i].slow = slow;
			continue;
		}
		s->stall[i].slow |= slow;
		if (s->session.stalled || !too_old(s, i))
			continue;
		rf_log("%s of %u bytes at %llu has no answer for %llu ms", rf_op_names[e->req.op],
		       e->req.length, (unsigned long long)e->req.offset,
		       (unsigned long long)(now - s->stall[i].since) / 1000000);
		rf_session_stalled(&s->session);
	}
}


void rf_requests_look(struct rf_session *session, uint64_t now)
{
	struct rf_blk *s = rf_blk_of(session);
	const struct rf_blk_chan *chan = rf_session_chan(session, session->half);
	const struct rf_session_work work = {
		.waiting = s->free_count != RF_BLK_DEPTH,
		.look = true,
		.progress = s->count.completed,
		.heartbeat = atomic_load_explicit(&chan->heartbeat, memory_order_acquire),
		.nudge_ns = session->config.nudge_ns,
	};

	if (work.nudge_ns)
		rf_session_watch(session, now, &work);
	const uint64_t stall_ns = session->config.stall_ns;
	if (stall_ns && rf_lived_turn(&session->lived, now, stall_ns))
		ages_look(s, now);
}

int rf_blk_patience(const struct rf_blk *s)
{
	if (s->session.unsent.type)
		return RF_HANG_TURN_MS;
	bool waits = s->free_count != RF_BLK_DEPTH && s->session.state == RF_DRIVER_UP;

	return waits ? rf_hang_watch_turn(&s->session.watch) : -1;
}

void rf_blk_tick(struct rf_blk *s)
{
	rf_latency_tick(&s->latency, rf_now_ns());
	rf_session_tick(&s->session);
}
