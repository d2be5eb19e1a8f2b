/* SPDX-License-Identifier: MIT */
/*
 * driver_exit.h - why a driver ended itself: its exit codes.
 *
 * Room:   sandbox/abi. Set by the runtime and drivers, printed by the trusted
 *         side, which believes none of them: a code is a hint for a person.
 */
#ifndef RF_DRIVER_EXIT_H
#define RF_DRIVER_EXIT_H

enum rf_driver_exit {
	RF_DRIVER_EXIT_BOOT = 80,    /* boot record of another version, or with unusable values */
	RF_DRIVER_EXIT_RING = 81,    /* the service's ring index is impossible */
	RF_DRIVER_EXIT_REQUEST = 82, /* a request no service may make */
	RF_DRIVER_EXIT_GONE = 83,    /* the device reads as all ones */
	RF_DRIVER_EXIT_ANSWER = 84,  /* the device answered what was never asked */
	RF_DRIVER_EXIT_STACK = 85,   /* the stack canary changed */
	RF_DRIVER_EXIT_WAKE = 86,    /* an eventfd does not work */
};

#endif
