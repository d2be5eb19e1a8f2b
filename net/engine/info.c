/* SPDX-License-Identifier: MIT */
/*
 * info.c - the interface, as the device process describes it.
 *
 * Room:   net/engine, trusted.
 */
#include <errno.h>
#include <string.h>

#include "net_core.h"

#define RX_LEAST 64u /* receive buffers: some are always under way */

/* Can this be an interface, and do its buffers fit the arena? */
static bool info_fits(const struct rf_net *n, const struct rf_net_info *in)
{
	uint32_t b = in->rx_buffer;

	return b >= 2048 && b <= 32768 && !(b & (b - 1)) &&
	       in->rx_count <= RF_NET_DEPTH && in->rx_count >= RX_LEAST && in->mtu >= 68 &&
	       in->mtu <= 65535 - 18 && in->tx_max >= in->mtu + 14u && in->tx_max <= 65535 &&
	       !(in->mac[0] & 1) &&
	       rf_net_tx_at(in) < n->session.config.arena_bytes &&
	       n->session.config.arena_bytes - rf_net_tx_at(in) >= 16 * 65536;
}

/* As a successor of the device process found it. Right after a reset the link may be down:
 * it counts as it was, until the driver says otherwise. */
static bool same_interface(const struct rf_net_info *a, const struct rf_net_info *b)
{
	struct rf_net_info now = *a;

	now.link = b->link;
	now.speed = b->speed;
	return !memcmp(&now, b, sizeof(now));
}

static void send_buffers_make(struct rf_net *n)
{
	uint64_t at = rf_net_tx_at(&n->info);
	uint32_t count = 0;
	for (; count < RF_NET_TX_BUFFERS && at + n->tx_buffer <= n->session.config.arena_bytes;
	     at += n->tx_buffer)
		count++;
	/* A stack: the first ones are used again and again, and stay in the caches. */
	while (count--)
		rf_net_tx_free(n, n->tx_base + count * (n->tx_buffer / RF_NET_UNIT));
}

int rf_interface_info(struct rf_session *session, const struct rf_svc_msg *msg)
{
	struct rf_net *n = rf_net_of(session);
	const struct rf_net_info *in = &msg->net;

	if (session->known)
		return same_interface(in, &n->info) ? 0 : -EPROTO;
	if (!info_fits(n, in))
		return -EPROTO;
	n->info = *in;
	n->rx_count = in->rx_count;
	n->rx_buffer = in->rx_buffer;
	n->rx_shift = (uint32_t)__builtin_ctz(in->rx_buffer / RF_NET_UNIT);
	n->frame_max = in->mtu + 18u;
	n->plain_max = n->frame_max < in->rx_buffer ? n->frame_max : in->rx_buffer;
	n->link = in->link;
	n->tx_base = (uint32_t)(rf_net_tx_at(in) / RF_NET_UNIT);
	n->tx_buffer = 2048;
	while (n->tx_buffer < in->tx_max)
		n->tx_buffer *= 2;
	send_buffers_make(n);
	session->known = true;
	return 0;
}

int rf_interface_link(struct rf_session *session, const struct rf_svc_msg *msg)
{
	if (msg->value != RF_NET_LINK_UP && msg->value != RF_NET_LINK_DOWN)
		return -EPROTO;
	rf_net_of(session)->link = msg->value;
	return 0;
}
