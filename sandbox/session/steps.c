/* SPDX-License-Identifier: MIT */
/*
 * steps.c - how long the steps of recoveries took, in histograms.
 *
 * Room:   sandbox/session, trusted.
 * Where:  in the memory of stats.h, which outlives this process, its device process and the
 *         supervisor. The export writes them, for it is the last to act: when it hears that the
 *         successor runs, the device process has written down when each step of its own was.
 * Once:   `counted` says up to which death. What an export's death interrupts is not counted.
 */
#include "session_core.h"

static const struct rf_stats_device *steps_device(const struct rf_session *s)
{
	return (const void *)((const char *)s->stats + RF_STATS_DEVICE);
}

/* 0: it was done before. */
static uint64_t step_time(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void step_add(struct rf_session *s, enum rf_recovery_step step, uint64_t from, uint64_t to)
{
	rf_histogram_add(&s->stats->step[step], step_time(from, to));
}

void rf_steps_up(struct rf_session *s, uint32_t dead)
{
	const struct rf_stats_device *d = steps_device(s);
	const struct rf_recovery_device r = d->log[dead % RF_STATS_LOG];
	uint64_t ended = d->ended_ns[dead % RF_STATS_LOG];
	uint64_t ready = r.spawned_ns > r.quiesced_ns ? r.spawned_ns : r.quiesced_ns;

	if (!dead || r.generation != dead || dead <= s->stats->queue[s->queue].counted)
		return;
	atomic_store_explicit(&s->stats->queue[s->queue].counted, dead, memory_order_relaxed);
	if (ended)
		step_add(s, RF_STEP_DETECT, ended, r.detect_ns);
	step_add(s, RF_STEP_QUIESCE, r.detect_ns, r.quiesced_ns);
	step_add(s, RF_STEP_SPAWN, r.detect_ns, r.spawned_ns);
	step_add(s, RF_STEP_ENABLE, ready, r.enabled_ns);
}

void rf_steps_first_io(struct rf_session *s, uint32_t dead, uint64_t now)
{
	const struct rf_stats_device *d = steps_device(s);
	const struct rf_recovery_device r = d->log[dead % RF_STATS_LOG];
	uint64_t ended = d->ended_ns[dead % RF_STATS_LOG];

	if (r.generation != dead)
		return;
	step_add(s, RF_STEP_FIRST_IO, r.enabled_ns, now);
	step_add(s, RF_STEP_WHOLE, ended ? ended : r.detect_ns, now);
}
