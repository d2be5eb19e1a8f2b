/* SPDX-License-Identifier: MIT */
/*
 * sleep.c - before and after an export sleeps: the drivers are asked for kicks.
 *
 * Room:   sandbox/blk, trusted.
 */
#include "core.h"

/* Asks the driver for kicks. False: there is an answer already. */
static bool queue_arm(struct rf_blk_queue *q)
{
	if (!rf_session_alive(&q->session))
		return true;
	rf_ring_arm(&q->resp);
	if (!rf_ring_ready(&q->resp))
		return true;
	rf_ring_disarm(&q->resp);
	return false;
}

bool rf_blk_sleep(struct rf_blk *s)
{
	rf_blk_push(s);
	/* A driver that polls for ever has no call to wake us by: it is never asked to. */
	if (s->queue[0].session.config.spin_ns != UINT64_MAX)
		RF_EACH_QUEUE(q, s)
			if (!queue_arm(q))
				return false;
	rf_stats_publish(s);
	return true;
}

void rf_blk_wake(struct rf_blk *s, bool kicked)
{
	RF_EACH_QUEUE(q, s)
		if (q->resp.ring)
			rf_ring_disarm(&q->resp);
	if (kicked)
		rf_session_woken(&s->queue[0].session);
}
