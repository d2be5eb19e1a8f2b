/* SPDX-License-Identifier: MIT */
/*
 * doorbells.h - for tests of the doorbells of a device server: a driver that rings, and what of
 * it arrives.
 *
 * Room:   tests/unit.
 */
#ifndef RF_UNIT_DOORBELLS_H
#define RF_UNIT_DOORBELLS_H

#include "scripted_device.h"

static inline void drop_doorbells(struct rf_device *d)
{
	if (d->doorbell.event >= 0)
		close(d->doorbell.event);
	if (d->user->proxy)
		munmap((void *)d->user->proxy, d->doorbell.bytes);
	if (d->doorbell.mode == RF_DOORBELL_PROXY || d->doorbell.mode == RF_DOORBELL_SHADOW)
		close(d->doorbell.fd);
}

/* How many register writes the server has seen: all that were sent. */
static inline uint32_t writes_arrived(struct rf_device *d)
{
	uint32_t value;

	assert_int_equal(bar_read(d, 0, 0x100, &value, 4), 0);
	return server.write_count;
}

/* The driver's side of the page: a store, and the eventfd. */
static inline void store(struct rf_device *d, uint64_t where, uint32_t value)
{
	volatile uint8_t *at = d->user->proxy + (where - d->doorbell.page);

	if (d->doorbell.edge)
		*(volatile uint16_t *)at = (uint16_t)value;
	else
		*(volatile uint32_t *)at = value;
}

static inline void ring_proxy(struct rf_device *d, uint64_t where, uint32_t value)
{
	struct pollfd p[RF_BACKEND_FDS];
	uint64_t one = 1;

	store(d, where, value);
	assert_int_equal(write(RF_DEVICE_FD_DEVICE, &one, 8), 8);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	assert_int_equal(d->backend->on_poll(d, p, count), 0);
}

/* A device with doorbells at these places of a BAR of this size; the mode is the proxy's. */
static inline int place(struct rf_device *d, uint64_t submit, uint64_t complete, uint64_t bar,
			bool edge)
{
	server_init(&server);
	server.mappable = false;
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->bar[0].bytes = bar;
	d->doorbell = (struct rf_doorbells){ .bar = 0,
					     .submit = submit,
					     .complete = complete,
					     .edge = edge,
					     .last_queue = submit != complete };
	return doorbell_open(d);
}

#endif
