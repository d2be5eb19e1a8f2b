/* SPDX-License-Identifier: MIT */
/*
 * quiesce.c - the device is made to stop touching memory, and that is confirmed.
 *
 * Room:   sandbox/device.
 * Order:  bus mastering off unless the recipe needs it; the policy's soft reset,
 *         confirmed by its polls and by transactions pending = 0; else the function's own
 *         reset (FLR or power management), else the bus's where every function of
 *         it is ours. A device nothing silences is not used again.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "log.h"

static int poll_step(struct rf_device *d, const struct rf_reset_step *s)
{
	uint64_t deadline = now_ns() + s->within_ms * 1000000ull;
	unsigned wait = 2000;

	for (;;) {
		uint32_t value = 0;
		if (bar_read(d, s->bar, s->offset, &value, s->bytes))
			return -EIO;
		/* A narrow register may well be all ones. */
		if (s->bytes == 4 && value == ~0u)
			return -ENODEV;
		if ((value & s->mask) == s->value)
			return 0;
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){ .tv_nsec = wait }, NULL);
		if (wait < 1000000)
			wait *= 2;
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

int device_quiesce(struct rf_device *d)
{
	int err;

	if (!d->backend)
		return RF_RESET_NONE;
	if (d->cfg.flags & RF_DEVICE_BUSMASTER_OFF)
		(void)config_bus_master(d, false);
	if (d->control && d->control->quiet)
		d->control->quiet(d);
	if (!(err = soft_reset(d)) && !(err = config_wait_idle(d)))
		return RF_RESET_SOFT;
	if (d->backend->alive && !d->backend->alive(d))
		return -ENODEV; /* that was logged when it was found */
	rf_log("%s: soft reset: %s; resetting the function", d->label, strerror(-err));
	(void)config_bus_master(d, false);
	(void)config_wait_idle(d);
	if (!(err = d->backend->reset(d)))
		return RF_RESET_FUNCTION;
	rf_log("%s: function reset: %s; resetting the bus", d->label, strerror(-err));
	if (!(err = d->backend->hot_reset(d)))
		return RF_RESET_HOT;
	rf_log("%s: bus reset: %s; the device cannot be silenced, so it is not used again",
	       d->label, strerror(-err));
	return -EIO;
}
