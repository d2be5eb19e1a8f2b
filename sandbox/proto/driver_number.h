/* SPDX-License-Identifier: MIT */
/*
 * driver_number.h - the number of a driver says which queue it serves, and in which half.
 *
 * Room:   sandbox/proto.
 * Wire:   none of its own: a number in the records of device_msg.h, export.h, keeper.h, stats.h and
 *         control_socket.h, and in a driver's answers.
 * Writes: the device process, which counts.
 * Reads:  the export, the supervisor, and who prints.
 * Believed: that it is a number: queue and half follow from it, and are in range by that.
 * Number: the generation of boot.h. A device whose configuration has N queues counts its drivers
 *         up by N for each queue: queue q has the numbers q, q + N, q + 2N and so on. So one
 *         number names a driver of a device for good, in messages, names of processes, answers
 *         in rings, logs and crash reports. The first number of each queue, which is below N,
 *         belongs to no driver: it stands for "none has run yet".
 * Half:   of the queue's memory, of its channel and of its wake-ups: they take turns.
 */
#ifndef RF_DRIVER_NUMBER_H
#define RF_DRIVER_NUMBER_H

#include <stdint.h>

static inline uint32_t rf_number_queue(uint32_t number, uint32_t queues)
{
	return number % queues;
}

static inline uint32_t rf_number_half(uint32_t number, uint32_t queues)
{
	return number / queues & 1;
}

/* The successor's. */
static inline uint32_t rf_number_next(uint32_t number, uint32_t queues)
{
	return number + queues;
}

/* Of this queue, the first number that is not below any that a device has used up to `used`. */
static inline uint32_t rf_number_after(uint32_t used, uint32_t queue, uint32_t queues)
{
	return used - used % queues + queue;
}

#endif
