/* SPDX-License-Identifier: MIT */
/*
 * virtio_registers.h - a virtio device that is a set of registers (Virtual I/O Device 1.2,
 * 4.1.4.3), and what it does when a queue of it is to be reset. Time is a number that each look and
 * each sleep lets grow.
 *
 * Room:   tests/unit.
 */
#ifndef RF_UNIT_VIRTIO_REGISTERS_H
#define RF_UNIT_VIRTIO_REGISTERS_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "virtio_pci.h"

#define QUEUES      4u
#define QUEUE_BYTES 8192u
#define QUEUES_IOVA 0x40000000u
#define NOTIFY_AT   0x3000u

/* What a device does when a queue of it is to be reset. */
enum answer {
	OBEYS,
	NEVER,   /* says that it is at it, for ever */
	KEEPS,   /* says that it is through, and the queue is enabled still */
	RESETS,  /* resets itself */
	BREAKS,  /* asks for a reset of all of it */
	LEAVES,  /* registers read all ones from now on */
};
static struct {
	enum answer answer;
	unsigned obeys;      /* so many times before that, */
	uint64_t takes_ns;   /* each taking so long */
	bool     no_enable;  /* a queue that was reset is never enabled again */
	bool     gone;
	uint64_t offered;
	uint16_t num_queues, size[QUEUES], off[QUEUES];
	uint32_t multiplier;
	uint8_t  status;
	uint16_t selected;
	struct {
		uint16_t size, vector, enabled;
		bool     resetting, was_reset;
		uint64_t due_ns, desc;
	} queue[QUEUES];
	unsigned late; /* queues enabled behind DRIVER_OK that no reset had freed */
	uint64_t accepted;
	uint32_t select;
} hw;

static char said[1024];
static uint64_t now_ns;

void rf_log(const char *format, ...)
{
	size_t used = strlen(said);
	va_list ap;

	va_start(ap, format);
	vsnprintf(said + used, sizeof(said) - used, format, ap);
	va_end(ap);
}

uint64_t rf_now_ns(void)
{
	return now_ns += 1000;
}

/* rf_sleep_ns() */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *t, const sigset_t *mask)
{
	(void)fds, (void)count, (void)mask;
	now_ns += (uint64_t)t->tv_nsec;
	return 0;
}

static void all_reset(void)
{
	memset(hw.queue, 0, sizeof(hw.queue));
	hw.status = 0;
	hw.accepted = 0;
}

static void queue_reset(void)
{
	enum answer a = hw.obeys ? OBEYS : hw.answer;

	hw.obeys -= hw.obeys > 0;
	if (a == OBEYS || a == NEVER) {
		hw.queue[hw.selected].resetting = true;
		hw.queue[hw.selected].due_ns = a == NEVER ? ~0ull : now_ns + hw.takes_ns;
	}
	if (a == RESETS)
		all_reset();
	if (a == BREAKS)
		hw.status |= VIRTIO_STATUS_NEEDS_RESET;
	hw.gone |= a == LEAVES;
}

static void queue_enabled(void)
{
	if (hw.no_enable && hw.queue[hw.selected].was_reset)
		return;
	hw.late += hw.status & VIRTIO_STATUS_DRIVER_OK && !hw.queue[hw.selected].was_reset;
	hw.queue[hw.selected].enabled = 1;
}

int bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes)
{
	uint64_t value = 0;

	(void)d, (void)bar;
	memcpy(&value, from, bytes);
	switch (offset) {
	case VIRTIO_DEVICE_FEATURE_SELECT:
	case VIRTIO_DRIVER_FEATURE_SELECT:
		hw.select = (uint32_t)value;
		break;
	case VIRTIO_DRIVER_FEATURE:
		hw.accepted |= value << 32 * hw.select;
		break;
	case VIRTIO_DEVICE_STATUS:
		hw.status = (uint8_t)value;
		if (!value)
			all_reset();
		break;
	case VIRTIO_QUEUE_SELECT:
		hw.selected = (uint16_t)value;
		break;
	case VIRTIO_QUEUE_SIZE:
		hw.queue[hw.selected].size = (uint16_t)value;
		break;
	case VIRTIO_QUEUE_MSIX_VECTOR:
		hw.queue[hw.selected].vector = (uint16_t)value;
		break;
	case VIRTIO_QUEUE_DESC:
		hw.queue[hw.selected].desc = value;
		break;
	case VIRTIO_QUEUE_ENABLE:
		assert_int_equal(value, 1); /* 4.1.4.3.2: never 0 */
		queue_enabled();
		break;
	case VIRTIO_QUEUE_RESET:
		assert_int_equal(value, 1); /* never 0 */
		assert_true(hw.accepted & VIRTIO_F_RING_RESET);
		queue_reset();
		break;
	}
	return 0;
}

/* queue_reset of the queue that is selected: when it is over it has nothing any more. */
static uint64_t resetting(void)
{
	if (hw.queue[hw.selected].resetting && now_ns >= hw.queue[hw.selected].due_ns) {
		memset(&hw.queue[hw.selected], 0, sizeof(hw.queue[0]));
		hw.queue[hw.selected].was_reset = true;
	}
	return hw.queue[hw.selected].resetting;
}

static uint64_t reads(uint64_t offset)
{
	switch (offset) {
	case VIRTIO_DEVICE_FEATURE:
		return hw.offered >> 32 * hw.select & 0xffffffff;
	case VIRTIO_NUM_QUEUES:
		return hw.num_queues;
	case VIRTIO_DEVICE_STATUS:
		return hw.status;
	case VIRTIO_QUEUE_SIZE:
		return hw.queue[hw.selected].size ? hw.queue[hw.selected].size :
						    hw.size[hw.selected];
	case VIRTIO_QUEUE_MSIX_VECTOR:
		return hw.queue[hw.selected].vector;
	case VIRTIO_QUEUE_ENABLE:
		return hw.queue[hw.selected].enabled;
	case VIRTIO_QUEUE_NOTIFY_OFF:
		return hw.off[hw.selected];
	case VIRTIO_QUEUE_DESC:
		return hw.queue[hw.selected].desc;
	case VIRTIO_QUEUE_RESET:
		return resetting();
	}
	return 0;
}

int bar_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to, uint32_t bytes)
{
	uint64_t value = hw.gone ? ~0ull : reads(offset);

	(void)d, (void)bar;
	memcpy(to, &value, bytes);
	return 0;
}

int doorbell_open(struct rf_device *d)
{
	d->doorbell.page = NOTIFY_AT;
	d->doorbell.bytes = RF_PAGE;
	return 0;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	(void)d, (void)at;
	return 0;
}

int config_bus_master(struct rf_device *d, bool on)
{
	(void)d;
	assert_true(on);
	return 0;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	(void)d;
	return 1 + 2 * (int)queue + (int)half;
}

#endif
