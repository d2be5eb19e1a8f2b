/* SPDX-License-Identifier: MIT */
/*
 * quiesce.c - the device is made to stop touching memory, and that is confirmed.
 *
 * Room:   sandbox/device/core.
 * Order:  first the dead driver's queue pair alone, where the device can take one away; bus
 *         mastering stays on for that. Else, or if that fails:
 *         bus mastering off unless the recipe needs it; the policy's soft reset,
 *         confirmed by its polls and by transactions pending = 0; else the function's own
 *         reset (FLR or power management), else the bus's where every function of
 *         it is ours. A device nothing silences is not used again.
 * Lost:   a function whose BARs or command register changed by themselves has lost its
 *         interrupts' set-up with them, which a soft reset would not bring back.
 */
#include <errno.h>
#include <string.h>

#include "capture.h"
#include "clock.h"
#include "device.h"
#include "log.h"
#include "pause.h"

static int poll_step(struct rf_device *d, const struct rf_reset_step *s)
{
	uint32_t within = s->within_ms > d->reset_ms ? s->within_ms : d->reset_ms;
	uint64_t deadline = rf_now_ns() + within * 1000000ull;
	unsigned wait = DEVICE_PAUSE_NS;

	for (;;) {
		uint32_t value = 0;
		if (bar_read(d, s->bar, s->offset, &value, s->bytes))
			return -EIO;
		/* A narrower register may hold all ones rightfully. */
		if (s->bytes == 4 && value == ~0u)
			return -ENODEV;
		if ((value & s->mask) == s->value)
			return 0;
		if (rf_now_ns() > deadline)
			return -ETIMEDOUT;
		device_pause(&wait);
	}
}

static int write_step(struct rf_device *d, const struct rf_reset_step *s)
{
	uint32_t value = 0;

	if (s->mask != 0xffffffffu >> (32 - 8 * s->bytes) &&
	    bar_read(d, s->bar, s->offset, &value, s->bytes))
		return -EIO;
	value = (value & ~s->mask) | s->value;
	return bar_write(d, s->bar, s->offset, &value, s->bytes);
}

static int soft_reset(struct rf_device *d)
{
	if (d->header_changed)
		return -ESTALE;
	if (!d->cfg.step_count)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < d->cfg.step_count; i++) {
		const struct rf_reset_step *s = &d->cfg.step[i];
		int err = s->poll ? poll_step(d, s) : write_step(d, s);
		if (err)
			return err;
	}
	return 0;
}

/* Those that the device's recipe waits for. */
void quiesce_capture(struct rf_device *d, uint32_t generation)
{
	struct rf_capture_device *a =
		(void *)((char *)d->stats - RF_STATS_DEVICE + RF_CAPTURE_DEVICE);

	if (!d->backend)
		return;
	a += generation % RF_CAPTURE_SLOTS;
	a->generation = a->count = 0;
	for (uint32_t i = 0; i < d->cfg.step_count && a->count < RF_CAPTURE_REGS; i++) {
		const struct rf_reset_step *s = &d->cfg.step[i];
		uint32_t value = 0;

		if (!s->poll || bar_read(d, s->bar, s->offset, &value, s->bytes))
			continue;
		a->reg[a->count].bar = s->bar;
		a->reg[a->count].offset = s->offset;
		a->reg[a->count].bytes = s->bytes;
		a->reg[a->count++].value = value;
	}
	a->generation = generation;
}

/* A device that interrupted without end, or was found to have changed, is reset as a whole; so is
 * one that answered nothing, unless it gives its other queues' drivers what they wait for. */
static bool in_doubt(const struct rf_device *d, const struct rf_queue *q)
{
	bool killed = q->kill_requested == q->recovery.generation;

	return d->left != RF_LEFT_ENABLED || d->changed || d->irq.off || d->reset ||
	       (killed && (q->kill_reason == RF_KILL_STORM ||
			   (q->kill_reason == RF_KILL_STALLED && !any_driver_up(d))));
}

int device_drop_queue(struct rf_device *d, const struct rf_queue *q)
{
	if (!d->queue_reset || !d->admin_ops || !d->admin_ops->queue_drop || in_doubt(d, q))
		return -EOPNOTSUPP;
	int err = d->admin_ops->queue_drop(d, q->index);
	return err ? err : RF_RESET_QUEUE;
}

int device_quiesce(struct rf_device *d)
{
	int err;

	if (!d->backend)
		return RF_RESET_NONE;
	if (d->cfg.flags & RF_DEVICE_BUSMASTER_OFF)
		(void)config_bus_master(d, false);
	if (d->admin_ops && d->admin_ops->quiet)
		d->admin_ops->quiet(d);
	if (!(err = soft_reset(d)) && !(err = config_wait_idle(d)))
		return RF_RESET_SOFT;
	if (d->backend->alive && !d->backend->alive(d))
		return -ENODEV; /* that was logged when it was found */
	bool function = !(d->quirks & RF_QUIRK_NO_FUNCTION_RESET);
	rf_log("%s: soft reset: %s; resetting the %s", d->label, strerror(-err),
	       function ? "function" : "bus");
	(void)config_bus_master(d, false);
	(void)config_wait_idle(d);
	if (function && !(err = d->backend->reset(d)))
		return RF_RESET_FUNCTION;
	if (function)
		rf_log("%s: function reset: %s; resetting the bus", d->label, strerror(-err));
	if (!(err = d->backend->hot_reset(d)))
		return RF_RESET_HOT;
	rf_log("%s: bus reset: %s; the device cannot be silenced, so it is not used again",
	       d->label, strerror(-err));
	return -EIO;
}
