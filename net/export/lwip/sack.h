/* SPDX-License-Identifier: MIT */
/*
 * sack.h - what a sender knows of lost segments: by SACK, by time, and by asking.
 *
 * Room:   net/export/lwip, trusted, unprivileged. lwIP's side of it is in hooks.h.
 * Units:  times are of the stack's clock, in units of 1,024 ns, and wrap.
 */
#ifndef RF_LWIP_SACK_H
#define RF_LWIP_SACK_H

#include <stdint.h>

/* Asks after tails that nobody acknowledges, sends again what could not be sent. Every turn. */
void sack_tick(void);
/* Milliseconds until it has something to do; UINT32_MAX: nothing. */
uint32_t sack_timeout(void);

/* Since the start: segments sent again because they were found lost, tails asked after, and
 * times that all was sent again behind a timeout. */
struct sack_count {
	uint64_t again, probes, timeouts;
};
const struct sack_count *sack_counts(void);

#endif
