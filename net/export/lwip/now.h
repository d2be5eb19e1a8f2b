/* SPDX-License-Identifier: MIT */
/*
 * now.h - the time of the turn: what all of a turn reckons by, and lwIP too.
 *
 * Room:   net/export/lwip, trusted, unprivileged. stack.c reads the clock.
 */
#ifndef RF_LWIP_NOW_H
#define RF_LWIP_NOW_H

#include <stdint.h>

/* Clock of the whole process, read once a turn. */
uint64_t stack_now_ns(void);

#endif
