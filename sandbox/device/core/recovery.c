/* SPDX-License-Identifier: MIT */
/*
 * recovery.c - what a death, or somebody outside, does to the device: to one queue, or to all.
 *
 * Room:   sandbox/device/core. The drivers of a queue are generation.c's.
 * Order:  the smallest thing that fails is the smallest thing replaced. A queue whose driver is
 *         dead is ended by itself where the admin plane can, and the others go on. Where it
 *         cannot, or what it did is not confirmed, the device is reset as a whole (quiesce.c):
 *         first all drivers are killed, so that no queue is used under their feet, and the last
 *         of them to die brings the reset about.
 * Cache:  ending a queue loses nothing. A reset that may have lost what the device's cache held
 *         is told to the export by one of the queues, after the export took what all of them
 *         had answered.
 */
#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "device_msg.h"
#include "export.h"
#include "log.h"

#define RESETS_MOST 4u /* in a row, for want of a queue pair */

/* Could a reset lose writes that were acknowledged? */
static bool has_cache(const struct rf_device *d)
{
	return d->cfg.service == RF_SERVICE_BLOCK && d->info.features & RF_BLK_HAS_FLUSH;
}

/* Counts a possible loss before the export is told: if the export dies meanwhile, its successor
 * sees the count. */
static void notify_quiesced(struct rf_device *d, uint32_t generation, bool lost)
{
	lost = lost && has_cache(d);
	if (lost)
		d->stats->losses++;
	notify_export(d, RF_SVC_QUIESCED, generation, 0, lost);
}

static bool any_down(const struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		if (d->queue[i].down)
			return true;
	return false;
}

static void kill_drivers(struct rf_device *d, enum rf_kill why)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		if (!d->queue[i].down)
			queue_request_kill(d, &d->queue[i], why);
}

/* ---- quiet ---------------------------------------------------------------------------- */

/* May the device have reset itself? Where a driver enables the device itself, only that driver
 * knows its state: if it stopped answering, the device may have. */
static bool may_have_changed(struct rf_device *d, const struct rf_queue *q)
{
	if (!has_cache(d))
		return false;
	return left_changed(d) || (!d->admin_ops && q->kill_requested == q->generation &&
				   q->kill_reason == RF_KILL_STALLED);
}

static void quiet_now(struct rf_device *d, struct rf_queue *q, int method, bool lost)
{
	q->recovery.method = (uint32_t)method;
	q->recovery.quiesced_ns = rf_now_ns();
	q->quiet = true;
	notify_quiesced(d, q->recovery.generation, lost);
}

/* The whole device, for which no driver runs. */
static void quiet_all(struct rf_device *d, bool changed)
{
	int method = device_quiesce(d);

	/* A soft reset was confirmed by a register, so the device is there; after a harder one
	 * it is looked for. */
	if (method < 0 || (method > RF_RESET_SOFT && d->admin_ops && !d->admin_ops->present(d)) ||
	    irq_back(d))
		return recovery_gone(d, RF_EXIT_DEVICE);
	d->reset = d->enabled = false;
	/* After a reset of the device's own its empty registers prove nothing. */
	left_as(d, method == RF_RESET_SOFT && !changed ? RF_LEFT_QUIET : RF_LEFT_UNKNOWN);
	if (d->left == RF_LEFT_QUIET && d->admin_ops && d->admin_ops->mark)
		d->admin_ops->mark(d);
	bool lost = changed || method > RF_RESET_SOFT || d->cfg.flags & RF_DEVICE_CACHE_LOST;
	for (uint32_t i = 0; i < d->queue_count; i++) {
		struct rf_queue *q = &d->queue[i];

		q->ready = false;
		if (q->quiet)
			continue;
		quiet_now(d, q, method, lost);
		lost = false;
	}
}

/* Resets the device, once all drivers are dead. True: it was reset. */
static bool reset_all(struct rf_device *d, bool changed)
{
	if (!d->reset && any_driver_up(d))
		rf_log("%s: the device is reset as a whole: the drivers of its other queues are "
		       "replaced, too", d->label);
	d->reset = true;
	kill_drivers(d, RF_KILL_RESET);
	if (any_driver_up(d))
		return false;
	quiet_all(d, changed);
	return true;
}

bool recovery_quiet(struct rf_device *d, struct rf_queue *q)
{
	quiesce_capture(d, q->recovery.generation);
	int method = device_drop_queue(d, q);
	if (method < 0)
		return reset_all(d, may_have_changed(d, q));
	quiet_now(d, q, method, false);
	return false;
}

/* ---- enable ----------------------------------------------------------------------------- */

/* Without an admin plane the driver enables the device itself, once bus mastering is on and its
 * half has the interrupt. */
static int enable_by_driver(struct rf_device *d, unsigned half)
{
	int err = d->backend ? config_bus_master(d, true) : 0;

	return err ? err : d->backend && irq_vector(d, 0, half) < 0 ? -EIO : 0;
}

static int enable(struct rf_device *d, struct rf_queue *q, unsigned half)
{
	/* The device may have been quiet for long, and have reset itself meanwhile. */
	if (has_cache(d) && left_changed(d))
		notify_quiesced(d, q->recovery.generation, true);
	left_as(d, RF_LEFT_UNKNOWN);
	int err = d->admin_ops ? d->admin_ops->enable(d, half) : enable_by_driver(d, half);
	if (!err)
		left_as(d, RF_LEFT_ENABLED);
	d->enabled = !err;
	return err;
}

/* A queue pair that cannot be had on a device that went on may be had after a reset. */
static enum rf_enabled queue_again(struct rf_device *d, struct rf_queue *q)
{
	q->quiet = false; /* so that its export is told of that reset */
	return reset_all(d, may_have_changed(d, q)) ? RF_ENABLED_AGAIN : RF_ENABLED_NOT;
}

enum rf_enabled recovery_enable(struct rf_device *d, struct rf_queue *q, unsigned half)
{
	bool fresh = !d->enabled;

	if (d->reset)
		return RF_ENABLED_NOT; /* it waits for that */
	if (d->backend && d->backend->doorbell_clear)
		d->backend->doorbell_clear(d, q->index);
	int err = fresh ? enable(d, q, half) : 0;
	if (!err && d->admin_ops && d->admin_ops->queue_make)
		err = d->admin_ops->queue_make(d, q->index, half);
	if (!err)
		return RF_ENABLED;
	if (!fresh && err != -ESTALE && ++d->resets <= RESETS_MOST)
		return queue_again(d, q);
	recovery_gone(d, RF_EXIT_DEVICE);
	return RF_ENABLED_NOT;
}

void recovery_up(struct rf_device *d)
{
	if (!any_down(d))
		d->resets = 0;
}

/* ---- from outside ------------------------------------------------------------------------- */

void recovery_look(struct rf_device *d)
{
	bool look = false;

	for (uint32_t i = 0; i < d->queue_count; i++)
		look |= !d->queue[i].down && d->queue[i].kill_requested != d->queue[i].generation;
	if (look && left_changed(d))
		kill_drivers(d, RF_KILL_STALLED);
}

/* Which queue's interrupts they were is not known: all vectors are off. */
void recovery_storm(struct rf_device *d)
{
	kill_drivers(d, RF_KILL_STORM);
}

/* A new export learns of the disk. The drivers are replaced too, since their rings hold requests
 * of the dead export. */
void recovery_export(struct rf_device *d)
{
	d->export_knows = true;
	notify_export(d, RF_SVC_INFO, d->queue[0].generation, 0, 0);
	if (d->given_up)
		return notify_export(d, RF_SVC_GONE, d->queue[0].generation, 0, 0);
	for (uint32_t i = 0; i < d->queue_count; i++) {
		struct rf_queue *q = &d->queue[i];

		if (q->down)
			queue_notify_down(d, q);
		else
			queue_request_kill(d, q, RF_KILL_HANDOVER);
	}
}

/*
 * This process follows a device process that died. Its drivers are dead and reaped, and opening the
 * device anew has reset it by whatever method the back end has, so its cache may be lost. The
 * export is told of one more death of each queue, and keeps all that is in flight. Messages that
 * the export sent to our predecessor still lie in the socket, under generations that are over.
 */
void recovery_revived(struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		queue_notify_down(d, &d->queue[i]);
	for (uint32_t i = 0; i < d->queue_count; i++)
		notify_quiesced(d, d->queue[i].generation, !i && d->backend);
}

void recovery_gone(struct rf_device *d, int code)
{
	d->given_up = true;
	/* The device server may come back: this process ends, the supervisor starts a successor,
	 * and clients see latency instead of errors. */
	if (code && d->user)
		_exit(code);
	notify_export(d, RF_SVC_GONE, d->queue[0].generation, 0, 0);
	d->failed = code;
	if (code)
		notify_supervisor(d, RF_DEV_FAILED, d->queue[0].generation, (uint32_t)code);
}
