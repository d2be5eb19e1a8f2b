/* SPDX-License-Identifier: MIT */
/* wire.c - see wire.h. Room: net/export/lwip, trusted. */
#include "wire.h"

#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/prot/tcp.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"

#define ETHER_HEADER 14u
#define IP4_HEADER   20u
#define IP6_HEADER   40u
#define DHCP_CLIENT  68u

enum { ETHER_IP4 = 0x0800, ETHER_ARP = 0x0806, ETHER_VLAN = 0x8100, ETHER_IP6 = 0x86dd };
enum { NEXT_HOPS = 0, NEXT_TCP = 6, NEXT_UDP = 17, NEXT_FRAGMENT = 44, NEXT_ICMP6 = 58 };
enum { ICMP6_TOO_BIG = 2, ICMP6_MLD_QUERY = 130, ICMP6_MLD_DONE = 132, ICMP6_ROUTER_ASK = 133,
       ICMP6_ROUTER = 134, ICMP6_NEIGHBOR_ASK = 135, ICMP6_NEIGHBOR = 136, ICMP6_REDIRECT = 137 };

static uint32_t wire_read16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return wire_read16(p) << 16 | wire_read16(p + 2);
}

static bool own4(const struct netif *n, const uint8_t *address)
{
	uint32_t a;

	memcpy(&a, address, 4);
	return a && a == netif_ip4_addr(n)->addr;
}

/* A hardware address as a number: its first byte, with the group bit, is the lowest. */
static uint64_t mac_at(const uint8_t *p)
{
	uint64_t low;
	uint32_t four;
	uint16_t two;

	memcpy(&four, p, 4);
	memcpy(&two, p + 4, 2);
	low = four;
	return low | (uint64_t)two << 32;
}

/* ---- ARP (RFC 826) --------------------------------------------------------------------- */

static enum wire_verdict judge_arp(const struct netif *n, const uint8_t *p, uint32_t length)
{
	if (length < 28 || wire_read16(p + 2) != ETHER_IP4)
		return WIRE_OTHERS;
	const uint8_t *hardware = p + 8, *sender = p + 14;
	/* No honest sender has a multicast hardware address or ours; nor one of these IP
	 * addresses. */
	if (hardware[0] & 1 || mac_at(hardware) == mac_at(n->hwaddr) || sender[0] == 127 ||
	    sender[0] >= 224)
		return WIRE_FALSE;
	return own4(n, sender) ? WIRE_STOLEN : WIRE_TAKE;
}

/* ---- IPv4 -------------------------------------------------------------------------------- */

static bool is_dhcp(const struct netif *n, const uint8_t *p, uint32_t length)
{
	uint32_t at = (p[0] & 15u) * 4;

	return netif_dhcp_data(n) && p[9] == NEXT_UDP && !(wire_read16(p + 6) & 0x1fff) &&
	       at + 4 <= length && wire_read16(p + at + 2) == DHCP_CLIENT;
}

static enum wire_verdict judge_ip4(const struct netif *n, bool shared, const uint8_t *p,
				   uint32_t length)
{
	if (length < IP4_HEADER)
		return WIRE_FALSE;
	const uint8_t *from = p + 12, *to = p + 16;

	/* Loopback, multicast, reserved and broadcast addresses send nothing. */
	if (from[0] == 127 || from[0] >= 224)
		return WIRE_FALSE;
	if (own4(n, from))
		return WIRE_STOLEN;
	if (from[0] && !shared && own4(n, to))
		return WIRE_TAKE;
	bool dhcp = is_dhcp(n, p, length);
	if ((from[0] == 0 && !dhcp) || to[0] == 127 || to[0] == 0)
		return WIRE_FALSE;
	if (to[0] >= 224 && to[0] < 240) /* no IPv4 groups were joined */
		return WIRE_OTHERS;
	/* To one host, but in a frame for all (RFC 1122, 3.3.6). */
	return shared && own4(n, to) && !dhcp ? WIRE_FALSE : WIRE_TAKE;
}

/* ---- IPv6 ---------------------------------------------------------------------------------- */

/* The slot of an own address, or -1. A duplicate is another's. */
static int own6(const struct netif *n, const uint8_t *address)
{
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		u8_t state = netif_ip6_addr_state(n, i);

		if (!ip6_addr_isinvalid(state) && !ip6_addr_isduplicated(state) &&
		    !memcmp(address, netif_ip6_addr(n, i)->addr, 16))
			return i;
	}
	return -1;
}

/* No sender has these: ::1, multicast, and IPv4-mapped addresses. */
static bool nobody6(const uint8_t *a)
{
	static const uint8_t zero[12];

	return a[0] == 0xff || (!memcmp(a, zero, 12) && (a[12] | a[13] | a[14] | a[15])) ||
	       (!memcmp(a, zero, 10) && a[10] == 0xff && a[11] == 0xff);
}

static bool unspecified6(const uint8_t *a)
{
	static const uint8_t zero[16];

	return !memcmp(a, zero, 16);
}

/* Options are whole and none of them is empty (RFC 4861, 6.1.1 and on). */
static bool options_whole(const uint8_t *p, uint32_t at, uint32_t length)
{
	while (at < length) {
		uint32_t bytes = at + 2 <= length ? p[at + 1] * 8u : 0;

		if (!bytes || bytes > length - at)
			return false;
		at += bytes;
	}
	return at == length;
}

/* A router may not order times that RFC 4861, 6.2.1, does not know. */
static bool router_sane(const uint8_t *p)
{
	const uint32_t hour = 3600000;

	return get32(p + 8) <= hour && get32(p + 12) <= hour;
}

static enum wire_verdict judge_neighbor(const struct netif *n, const uint8_t *ip, const uint8_t *p,
					uint32_t length)
{
	static const uint8_t fixed[] = { 8, 16, 24, 24, 40 };
	uint32_t head = fixed[p[0] - ICMP6_ROUTER_ASK];

	/* Hop limit 255: it comes from this link. Redirects are not followed: there is one link. */
	if (ip[7] != 255 || p[1] || p[0] == ICMP6_REDIRECT || length < head ||
	    !options_whole(p, head, length))
		return WIRE_FALSE;
	if (p[0] == ICMP6_ROUTER_ASK)
		return WIRE_OTHERS;
	if (p[0] == ICMP6_ROUTER && !router_sane(p))
		return WIRE_FALSE;
	int slot = p[0] == ICMP6_NEIGHBOR ? own6(n, p + 8) : -1;
	/* Once no host objected in time, the address stays ours (RFC 4862, 5.4): later claims do
	 * not end it. */
	return slot >= 0 && !ip6_addr_istentative(netif_ip6_addr_state(n, slot)) ? WIRE_STOLEN :
										   WIRE_TAKE;
}

/* Is a segment quoted that a connection has in flight (RFC 8201, 4)? */
static bool quoted(const uint8_t *ip, uint32_t length)
{
	if (length < IP6_HEADER + 8 || ip[6] != NEXT_TCP)
		return false;
	const uint8_t *t = ip + IP6_HEADER;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		if (IP_IS_V6(&pcb->remote_ip) && pcb->local_port == wire_read16(t) &&
		    pcb->remote_port == wire_read16(t + 2) &&
		    !memcmp(ip + 8, ip_2_ip6(&pcb->local_ip)->addr, 16) &&
		    !memcmp(ip + 24, ip_2_ip6(&pcb->remote_ip)->addr, 16) &&
		    TCP_SEQ_BETWEEN(get32(t + 4), pcb->lastack, pcb->snd_nxt))
			return true;
	return false;
}

/* Judges "packet too big". If believed, longer packets go in fragments, and connections made
 * later send smaller segments. */
static enum wire_verdict judge_too_big(const uint8_t *p, uint32_t length)
{
	return length >= 8 && get32(p + 4) >= 1280 && quoted(p + 8, length - 8) ? WIRE_TAKE :
										  WIRE_FALSE;
}

static enum wire_verdict judge_icmp6(const struct netif *n, const uint8_t *ip, const uint8_t *p,
				     uint32_t length)
{
	if (length < 4)
		return WIRE_FALSE;
	if (p[0] == ICMP6_TOO_BIG)
		return judge_too_big(p, length);
	if (p[0] >= ICMP6_ROUTER_ASK && p[0] <= ICMP6_REDIRECT)
		return judge_neighbor(n, ip, p, length);
	if (p[0] >= ICMP6_MLD_QUERY && p[0] <= ICMP6_MLD_DONE)
		return ip[7] == 1 && ip[8] == 0xfe && (ip[9] & 0xc0) == 0x80 ? WIRE_TAKE :
									       WIRE_FALSE;
	return WIRE_TAKE;
}

/* What lies behind the header. Other extension headers than MLD's and the fragment header,
 * which nobody needs here, could hide a message from this file. */
static enum wire_verdict judge_next(const struct netif *n, const uint8_t *ip, uint32_t length)
{
	const uint8_t *p = ip + IP6_HEADER;

	switch (ip[6]) {
	case NEXT_TCP:
	case NEXT_UDP:
		return WIRE_TAKE;
	case NEXT_ICMP6:
		return judge_icmp6(n, ip, p, length);
	case NEXT_HOPS:
		if (length < 12 || p[0] != NEXT_ICMP6 || p[1] || p[8] < ICMP6_MLD_QUERY ||
		    p[8] > ICMP6_MLD_DONE)
			return WIRE_FALSE;
		return judge_icmp6(n, ip, p + 8, length - 8);
	case NEXT_FRAGMENT: /* never of ICMPv6, which could hide a neighbour's message (RFC 6980) */
		return length >= 8 && (p[0] == NEXT_TCP || p[0] == NEXT_UDP) ? WIRE_TAKE :
									       WIRE_OTHERS;
	default:
		return WIRE_OTHERS;
	}
}

static enum wire_verdict judge_ip6(const struct netif *n, bool shared, const uint8_t *p,
				   uint32_t length)
{
	if (length < IP6_HEADER || wire_read16(p + 4) > length - IP6_HEADER)
		return WIRE_FALSE;
	const uint8_t *from = p + 8, *to = p + 24;
	uint32_t rest = wire_read16(p + 4);
	bool any = unspecified6(from);

	if (nobody6(from) || (nobody6(to) && to[0] != 0xff) || unspecified6(to))
		return WIRE_FALSE;
	/* Only a host that tests an address sends from the unspecified one (RFC 4862, 5.4.2). */
	if (any && (p[6] != NEXT_ICMP6 || rest < 24 || p[IP6_HEADER] != ICMP6_NEIGHBOR_ASK))
		return WIRE_OTHERS;
	if (shared && to[0] != 0xff)
		return WIRE_FALSE;
	enum wire_verdict verdict = judge_next(n, p, rest);
	if (verdict != WIRE_TAKE || own6(n, from) < 0)
		return verdict;
	/* An objection to our own address, while we still test it, comes from it. */
	bool objects = p[6] == NEXT_ICMP6 && p[IP6_HEADER] == ICMP6_NEIGHBOR &&
		       !memcmp(p + IP6_HEADER + 8, from, 16);
	return objects ? WIRE_TAKE : WIRE_STOLEN;
}

/* ---- frames ---------------------------------------------------------------------------------- */

enum wire_verdict wire_judge(struct netif *n, bool ip6, const uint8_t *frame, uint32_t length)
{
	const uint64_t mac = 0xffffffffffff;
	uint64_t own = mac_at(n->hwaddr), to, from;

	memcpy(&to, frame, 8);
	memcpy(&from, frame + 6, 8); /* and the type behind it */
	uint32_t type = __builtin_bswap16((uint16_t)(from >> 48)), at = ETHER_HEADER;
	bool shared = to & 1;
	to &= mac;
	from &= mac;
	if (to != own && !shared)
		return WIRE_OTHERS;
	if (from & 1 || from == own)
		return WIRE_FALSE;
	if (type == ETHER_VLAN && length >= 18) { /* of no VLAN, but with a priority: as without */
		if (wire_read16(frame + 14) & 0xfff)
			return WIRE_OTHERS;
		type = wire_read16(frame + 16);
		at = 18;
	}
	enum wire_verdict verdict = WIRE_OTHERS;
	if (type == ETHER_IP4)
		verdict = judge_ip4(n, shared, frame + at, length - at);
	else if (type == ETHER_IP6 && ip6)
		verdict = judge_ip6(n, shared, frame + at, length - at);
	else if (type == ETHER_ARP)
		verdict = judge_arp(n, frame + at, length - at);
	return verdict == WIRE_TAKE && at != ETHER_HEADER ? WIRE_UNTAG : verdict;
}

/* ---- segments -------------------------------------------------------------- */

bool wire_knows(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	uint8_t flags = TCPH_FLAGS(h);

	if ((flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK && pcb->state > SYN_RCVD) {
		if (TCP_SEQ_BETWEEN(h->ackno, pcb->lastack - pcb->snd_wnd_max, pcb->snd_nxt) ||
		    pcb->state == TIME_WAIT)
			return true;
		tcp_send_empty_ack(pcb);
		return false;
	}
	/* lwIP itself judges resets (RFC 5961, 3.2), SYNs, and answers to a SYN of ours. */
	if (flags & TCP_RST || pcb->state < SYN_RCVD || pcb->state == TIME_WAIT)
		return true;
	if (pcb->state == SYN_RCVD)
		return !(flags & TCP_SYN) != !(flags & TCP_ACK);
	return flags & TCP_SYN;
}
