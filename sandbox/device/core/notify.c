/* SPDX-License-Identifier: MIT */
/*
 * notify.c - what this process says to its supervisor and to its export. It waits for neither.
 *
 * Room:       sandbox/device/core.
 * Supervisor: one that is stopped or hangs must not hold up a recovery. Messages that its socket
 *             has no room for wait here, in order, and go when there is some. A WANT carries fds
 *             and is made anew at that time instead. The answer to an ADOPT says all that a message
 *             before it could have said, so that it makes those that wait void.
 * Bound:      only the supervisor has drivers spawned. While it takes no message the one that runs
 *             and its standby, of each queue, may come and go: an UP, a KILL and a DOWN of each,
 *             besides READY, ADOPTED and FAILED.
 * Export:     one that takes no messages is found by that (RF_SVC_PING), and replaced: its
 *             successor is told what matters.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "device.h"
#include "device_msg.h"
#include "export.h"
#include "log.h"
#include "packet.h"
#include "wait.h"

static bool behind_others(const struct rf_device *d)
{
	return d->unsent.count > 0;
}

void notify_supervisor(struct rf_device *d, uint32_t type, uint32_t generation, uint32_t value)
{
	struct rf_dev_msg msg = { .type = type, .generation = generation, .value = value,
				  .queues = d->queue_count, .info = d->info, .net = d->net,
				  .disk = d->disk };

	for (uint32_t i = 0; i < d->queue_count; i++) {
		msg.downs[i] = d->queue[i].downs;
		msg.up[i] = d->queue[i].down ? 0 : d->queue[i].generation;
	}
	/* If the supervisor is gone, the main loop sees it at the socket. */
	if (!behind_others(d) &&
	    rf_packet_post(RF_DEVICE_FD_SUPERVISOR, &msg, sizeof(msg)) != -EAGAIN)
		return;
	RF_BUG_ON(d->unsent.count == RF_UNSENT_MAX);
	d->unsent.msg[d->unsent.count++] = msg;
}

bool notify_want(struct rf_device *d, struct rf_queue *q, const struct rf_dev_msg *msg,
		 const int *fds, int count)
{
	int err = behind_others(d) ? -EAGAIN :
		  rf_packet_offer(RF_DEVICE_FD_SUPERVISOR, msg, sizeof(*msg), fds, count);

	q->want_unsent = err == -EAGAIN;
	return !err;
}

void notify_unresponsive(struct rf_device *d, const struct rf_dev_msg *msg)
{
	/* It is sent again in a moment. It is dropped while less than three quarters of the
	 * socket buffer are free, so that other messages find room. */
	struct pollfd p = { .fd = RF_DEVICE_FD_SUPERVISOR, .events = POLLOUT };

	if (!behind_others(d) && rf_wait_fds(&p, 1, 0) > 0 && p.revents & POLLOUT)
		(void)rf_packet_post(RF_DEVICE_FD_SUPERVISOR, msg, sizeof(*msg));
}

static bool wants_unsent(const struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		if (d->queue[i].want_unsent)
			return true;
	return false;
}

bool notify_pending(const struct rf_device *d)
{
	return behind_others(d) || wants_unsent(d);
}

bool notify_flush(struct rf_device *d)
{
	unsigned sent = 0;

	while (sent < d->unsent.count &&
	       rf_packet_post(RF_DEVICE_FD_SUPERVISOR, &d->unsent.msg[sent],
			      sizeof(d->unsent.msg[0])) != -EAGAIN)
		sent++;
	d->unsent.count -= sent;
	memmove(d->unsent.msg, d->unsent.msg + sent, d->unsent.count * sizeof(d->unsent.msg[0]));
	return wants_unsent(d) && !behind_others(d);
}

void notify_discard(struct rf_device *d)
{
	d->unsent.count = 0;
}

void notify_export(struct rf_device *d, uint32_t type, uint32_t generation, unsigned half,
		   uint32_t value)
{
	struct rf_svc_msg msg = { .type = type,
				  .generation = generation,
				  .half = half,
				  .value = value,
				  .queues = d->queue_count,
				  .info = d->info,
				  .net = d->net,
				  .disk = d->disk };

	/* If the export is dead, the supervisor replaces it and tells us. */
	if (type == RF_SVC_INFO || d->export_knows)
		(void)rf_packet_post(d->service, &msg, sizeof(msg));
}
