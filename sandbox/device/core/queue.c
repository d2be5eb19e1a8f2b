/* SPDX-License-Identifier: MIT */
/*
 * queue.c - what is said of one queue to supervisor and export, and which queue a driver's is.
 *
 * Room:   sandbox/device/core.
 */
#include "device.h"
#include "device_msg.h"
#include "export.h"

struct rf_queue *driver_queue(struct rf_device *d, uint32_t generation)
{
	uint32_t i = rf_number_queue(generation, d->cfg.queues);

	return i < d->queue_count ? &d->queue[i] : NULL;
}

void queue_notify_down(struct rf_device *d, struct rf_queue *q)
{
	q->await_export = true;
	notify_export(d, RF_SVC_DOWN, q->generation,
		      driver_half(d, rf_number_next(q->generation, d->cfg.queues)), 0);
}

void queue_request_kill(struct rf_device *d, struct rf_queue *q, enum rf_kill why)
{
	if (q->kill_requested == q->generation)
		return; /* the supervisor was asked already */
	q->kill_requested = q->generation;
	q->kill_reason = why;
	notify_supervisor(d, RF_DEV_KILL, q->generation, why);
}
