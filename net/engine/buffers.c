/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - see buffers.h.
 *
 * Room:   net/engine, trusted.
 */
#include "buffers.h"

void *rf_net_at(const struct rf_net *n, uint32_t at)
{
	return n->session.data + (uint64_t)at * RF_NET_UNIT;
}

void rf_net_post_other(struct rf_net *n, uint32_t at)
{
	uint32_t area = n->rx_count << n->rx_shift;
	uint32_t i = (at - (area - n->rx_base)) >> n->rx_shift;

	RF_BUG_ON(i >= n->rx_count || n->buffers[n->session.half ^ 1][i] != RF_BUFFER_HELD);
	n->buffers[n->session.half ^ 1][i] = RF_BUFFER_FREE;
}
