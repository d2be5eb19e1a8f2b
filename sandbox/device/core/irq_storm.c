/* SPDX-License-Identifier: MIT */
/*
 * irq_storm.c - does the device interrupt far more often than its driver gets anything done?
 *
 * Room:   sandbox/device/core. The kernel's count of the interrupts, in /proc/interrupts, against
 *         the export's count of what was completed: neither is in a driver's reach.
 * Stops:  the vectors are given up at once, so that nothing of the device's reaches a
 *         processor any more; then the caller has the drivers killed. Their successors get them
 *         back, once the device was reset.
 * Not:    devices behind vfio-user, whose interrupts are writes of another process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "log.h"

#define LOOK_NS    500000000u
#define SETTLE_NS  20000000u /* time for a driver's first requests, before interrupts are counted */
#define TEXT_BYTES 16384u    /* longer lines, with a thousand processors, are not read */

static bool storm_watched(const struct rf_device *d)
{
	return d->cfg.storm_rate && d->backend && d->backend->irqs_counted && any_driver_up(d) &&
	       !d->given_up && !d->stopping && !d->irq.off;
}

uint64_t storm_next_ns(const struct rf_device *d)
{
	return storm_watched(d) ? d->storm.look_ns : 0;
}

void storm_forget(struct rf_device *d)
{
	uint64_t soon = rf_now_ns() + SETTLE_NS;

	if (d->storm.look_ns < soon)
		d->storm.look_ns = soon;
}

/* " 35:  12  0  IR-PCI-MSIX-0000:01:00.0  1-edge  vfio-msix[1](0000:01:00.0)" */
static uint64_t line_count(const char *line, const char *owner)
{
	const char *at = strchr(line, ':');
	uint64_t sum = 0;

	if (!at || !strstr(line, "vfio-") || !strstr(line, owner))
		return 0;
	for (char *end;; at = end) {
		uint64_t n = strtoull(at + (*at == ':'), &end, 10);
		if (end == at + (*at == ':'))
			return sum;
		sum += n;
	}
}

/* Interrupts of this device since its vectors were wired. */
static uint64_t interrupts(const struct rf_device *d)
{
	static char text[TEXT_BYTES + 1];
	char owner[RF_NAME + 2];
	uint64_t sum = 0;
	size_t kept = 0;
	ssize_t got;

	snprintf(owner, sizeof(owner), "(%s)", d->cfg.pci);
	for (off_t at = 0;
	     (got = pread(RF_DEVICE_FD_INTERRUPTS, text + kept, TEXT_BYTES - kept, at)) > 0;
	     at += got) {
		char *line = text, *end;

		text[kept + (size_t)got] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			sum += line_count(line, owner);
		}
		kept = strlen(line);
		memmove(text, line, kept);
		if (kept == TEXT_BYTES)
			kept = 0;
	}
	return sum;
}

static uint64_t storm_drivers(const struct rf_device *d)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < d->queue_count; i++)
		sum += d->queue[i].generation;
	return sum;
}

bool storm_look(struct rf_device *d)
{
	const struct rf_stats_service *done = (void *)((char *)d->stats - RF_STATS_DEVICE);
	struct rf_irq_storm then = d->storm;
	uint64_t now = rf_now_ns();

	if (!storm_watched(d) || now < then.look_ns)
		return false;
	d->storm = (struct rf_irq_storm){ .look_ns = now + LOOK_NS,
				      .at_ns = now,
				      .drivers = storm_drivers(d),
				      .completed = done->completed,
				      .taken = interrupts(d) };
	uint64_t taken = d->storm.taken - then.taken,
		 completed = d->storm.completed - then.completed;
	double allowed = (double)d->cfg.storm_rate * (double)(now - then.at_ns) / 1e9;

	/* The kernel's counts start again when vectors are wired anew. */
	if (then.drivers != d->storm.drivers || d->storm.taken < then.taken ||
	    (double)taken <= (double)completed + allowed)
		return false;
	rf_log("%s: driver %u: %llu interrupts in %llu ms for %llu requests or frames: switched "
	       "off",
	       d->label, d->queue[0].generation, (unsigned long long)taken,
	       (unsigned long long)(now - then.at_ns) / 1000000, (unsigned long long)completed);
	irq_off(d);
	return true;
}
