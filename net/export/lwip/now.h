/* SPDX-License-Identifier: MIT */
/*
 * now.h - the time of the turn: what all of a turn reckons by, and lwIP too.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_NOW_H
#define RF_LWIP_NOW_H

#include <stdint.h>

/* Reads the clock that stack_now_ns() tells. Once a turn. */
void stack_clock(void);
/* Clock of the whole process, read once a turn. */
uint64_t stack_now_ns(void);

#endif
