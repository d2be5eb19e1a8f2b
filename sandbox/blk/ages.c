/* SPDX-License-Identifier: MIT */
/*
 * ages.c - requests that are too old: their driver, or the device, does not answer any more.
 *
 * Room:   sandbox/blk, trusted.
 * Clock:  the time this process was let run, since a device in software may have had no
 *         processor either.
 */
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
	uint64_t ns = s->config.stall_ns * (e->req.op > RF_BLK_WRITE ? SLOW_OPS : 1);
	uint64_t longer = !slow              ? 0 :
			  is_slow(e->req.op) ? s->config.slow_ns :
					       s->config.slow_ns / BESIDE;

	return (ns < longer ? longer : ns) << attempts;
}

/* Discards and zeroings may be done one after the other: while some are answered the others
 * are young, within reason. */
static bool too_old(const struct rf_blk *s, uint32_t i)
{
	uint64_t most = patience_ns(s, &s->entry[i], s->stall[i].slow);
	uint64_t age = s->lived_ns - s->stall[i].lived_ns;

	if (s->config.nudge_ns && !rf_watch_alive_since(&s->watch, s->stall[i].since + most))
		return false;
	if (s->stall[i].slow && age < most * SLOW_AT_MOST &&
	    s->stall[i].lived_ns < s->slow_lived_ns)
		age = s->lived_ns - s->slow_lived_ns;
	return age >= most;
}

/* Is a discard or zeroing under way? Notes when the last one was answered. */
static bool look_for_slow(struct rf_blk *s)
{
	bool any = false;

	if (s->slow_done != s->slow_seen)
		s->slow_lived_ns = s->lived_ns;
	s->slow_seen = s->slow_done;
	for (uint32_t i = 0; i < RF_BLK_DEPTH && !any; i++)
		any = s->entry[i].state == RF_ENTRY_FLIGHT && is_slow(s->entry[i].req.op);
	return any;
}

void rf_ages_look(struct rf_blk *s, uint64_t now)
{
	bool slow = look_for_slow(s);

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		const struct rf_table_entry *e = &s->entry[i];
		uint64_t id = (uint64_t)e->req.generation << 32 | e->req.tag;

		if (e->state != RF_ENTRY_FLIGHT || id != s->stall[i].tag) {
			s->stall[i].tag = id;
			s->stall[i].since = now;
			s->stall[i].lived_ns = s->lived_ns;
			s->stall[i].slow = slow;
			continue;
		}
		s->stall[i].slow |= slow;
		if (s->stalled || !too_old(s, i))
			continue;
		s->stalled = true;
		s->count.stalls++;
		rf_log("%s of %u bytes at %llu has no answer for %llu ms", rf_op_names[e->req.op],
		       e->req.length, (unsigned long long)e->req.offset,
		       (unsigned long long)(now - s->stall[i].since) / 1000000);
		rf_tell(s, RF_SVC_STALL, 0);
	}
}

