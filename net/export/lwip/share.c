/* SPDX-License-Identifier: MIT */
/* share.c - see share.h. Room: net/export/lwip, trusted. */
#include "share.h"

#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "lwipopts.h"

void share_host(const ip_addr_t *address, uint8_t key[16])
{
	memset(key, 0, 16);
	if (IP_IS_V6(address))
		memcpy(key, ip_2_ip6(address)->addr, 8);
	else
		memcpy(key + 12, &ip_2_ip4(address)->addr, 4);
}

bool share_same_host(const ip_addr_t *a, const ip_addr_t *b)
{
	if (IP_IS_V6(a) && IP_IS_V6(b))
		return !memcmp(ip_2_ip6(a)->addr, ip_2_ip6(b)->addr, 8);
	return ip_addr_eq(a, b);
}

/* What a SYN finds. */
struct crowd {
	uint32_t all, same; /* connections, also those whose owner has closed them; of this host */
	uint32_t half_open;
	struct tcp_pcb *oldest, *oldest_here; /* half open: silent longest, and of this listener */
};

static struct crowd look_around(const struct tcp_pcb_listen *listener)
{
	struct crowd c = { 0 };

	/* The connection that was heard last is moved to the front of this list. */
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		c.all++;
		if (pcb->state != SYN_RCVD) {
			c.same += share_same_host(&pcb->remote_ip, ip_current_src_addr());
			continue;
		}
		c.half_open++;
		c.oldest = pcb;
		if (pcb->listener == listener)
			c.oldest_here = pcb;
	}
	return c;
}

/* Evicts the half-open connection that was silent longest (RFC 4987, 3.5). Nothing is sent: its
 * address may be forged. */
bool share_room(const struct tcp_pcb_listen *listener, uint64_t *evicted)
{
	struct crowd c = look_around(listener);
	struct tcp_pcb *goes = listener->accepts_pending >= listener->backlog ? c.oldest_here :
			       c.half_open >= RF_LWIP_HALF_OPEN ? c.oldest : NULL;

	if (!stream_share(c.same, MEMP_NUM_TCP_PCB - c.all))
		return false;
	if (goes) {
		++*evicted;
		tcp_abandon(goes, 0);
	}
	return true;
}

/* Its owner has closed it, and it holds memory. */
static bool left_over(const struct tcp_pcb *pcb)
{
	return !pcb->callback_arg && pcb->snd_queuelen;
}

static uint32_t held_by(const ip_addr_t *host)
{
	uint32_t buffers = 0;

	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		if (left_over(pcb) && share_same_host(&pcb->remote_ip, host))
			buffers += pcb->snd_queuelen;
	return buffers;
}

bool share_reclaim(void)
{
	struct tcp_pcb *goes = NULL;
	uint32_t most = 0;

	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		uint32_t held = left_over(pcb) ? held_by(&pcb->remote_ip) : 0;

		if (!held || held < most)
			continue;
		most = held;
		goes = pcb;
	}
	if (goes)
		tcp_abort(goes);
	return goes;
}
