/* SPDX-License-Identifier: MIT */
/*
 * buffers.h - the buffers of the arena: where they lie, and the way of one back to the driver.
 *
 * Room:   net/engine, trusted.
 */
#ifndef RF_NET_BUFFERS_H
#define RF_NET_BUFFERS_H

#include <stdint.h>

#include "log.h"
#include "net_core.h"
#include "net_types.h"

/* Index of the buffer of this half that begins at `at`; >= rx_count if none does: bits
 * that a whole number of buffers does not have come to lie on top. */
static inline uint32_t rf_net_index(const struct rf_net *n, uint32_t at)
{
	uint32_t units = at - n->rx_base, shift = n->rx_shift;

	return units >> shift | units << ((32 - shift) & 31);
}

/* A HELD buffer goes to the driver, or lies free if its half has none now. */
void rf_net_post_other(struct rf_net *, uint32_t at);
static inline void rf_net_post(struct rf_net *n, uint32_t at)
{
	uint32_t i = rf_net_index(n, at);

	if (unlikely(i >= n->rx_count)) {
		rf_net_post_other(n, at);
		return;
	}
	RF_BUG_ON(n->buffer[i] != RF_BUFFER_HELD);
	n->buffer[i] = RF_BUFFER_POSTED;
	n->free_ring[n->free_own++ & (RF_NET_DEPTH - 1)] = at;
}

#endif
