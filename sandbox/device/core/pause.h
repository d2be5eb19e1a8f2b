/* SPDX-License-Identifier: MIT */
/*
 * pause.h - a turn of a wait for a device, which has a deadline.
 *
 * Room:   sandbox/device/core. So short that whoever pings this process (supervisor/ping.c) does
 *         not take it for one that sleeps for good: a controller may take two minutes.
 */
#ifndef RF_DEVICE_PAUSE_H
#define RF_DEVICE_PAUSE_H

#include "wait.h"

#define DEVICE_PAUSE_NS 2000u /* what `*wait` begins with */

/* Twice as long each time, up to 1 ms. */
static inline void device_pause(unsigned *wait)
{
	rf_sleep_ns(*wait);
	if (*wait < 1000000)
		*wait *= 2;
}

#endif
