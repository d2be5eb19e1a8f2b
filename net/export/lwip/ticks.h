/* SPDX-License-Identifier: MIT */
/*
 * ticks.h - TCP's timers tick only while something is due: connections that rest cost nothing.
 *
 * Room:   net/export/lwip, trusted, unprivileged. lwIP's own timer is off (patches/08).
 */
#ifndef RF_LWIP_TICKS_H
#define RF_LWIP_TICKS_H

#include <stdint.h>

/* As many ticks as are due by the clock. Every turn, and after a sleep before anything else. */
void ticks_run(void);
/* Milliseconds until the next one is; UINT32_MAX: none. Before a sleep: what passes then is made
 * up for at once. */
uint32_t ticks_timeout(void);

#endif
