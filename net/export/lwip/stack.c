/* SPDX-License-Identifier: MIT */
/*
 * stack.c - lwIP's interface on a link. See stack.h.
 *
 * Room:   net/export/lwip, trusted.
 * Trust:  frames are hostile and may change while they are read: copied first.
 */
#include "stack.h"

#include <errno.h>
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/ip6.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/prot/etharp.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#include "hooks.h"
#include "log.h"
#include "peers.h"
#include "sack.h"
#include "secret.h"
#include "ticks.h"
#include "wire.h"
#undef dns_setserver /* here is who keeps them */

#define ETHER_HEADER 14u
#define VLAN_TAG     4u
#define QUIET_MS     10000u /* between two lines on the same thing */
#define PROBES       3u     /* RFC 5227, 1.1 */
#define PROBE_MS     1000u

void rf_lwip_assert(const char *what, const char *file, int line)
{
	const char *name = strrchr(file, '/');

	rf_die(RF_EXIT_BUG, "bug: %s:%d: %s", name ? name + 1 : file, line, what);
}

void stack_awake(void)
{
	stack_clock();
	ticks_run();
}

void stack_init(void)
{
	secret_init();
	stack_clock();
	lwip_init();
}

/* ---- frames in ------------------------------------------------------------------- */

/* Another host claims our address (RFC 5227, 2.4): it is not believed, and the operator is told. */
static void conflict(struct stack *st, const uint8_t *frame)
{
	const uint8_t *m = frame + 6;
	uint64_t now = stack_now_ns() / 1000000;
	bool arp = frame[12] == 8 && frame[13] == 6;

	if (st->link->conflicts++ && now - st->conflict_said <= QUIET_MS)
		return;
	st->conflict_said = now;
	rf_log_peer("address conflict: %s is also used by %02x:%02x:%02x:%02x:%02x:%02x; give one "
		    "of the "
		    "two another address",
		    arp || frame[12] == 8 ? ip4addr_ntoa(netif_ip4_addr(&st->netif)) :
					    "an IPv6 address",
		    m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Judges a frame. True: the stack may see it; else it was counted. */
static bool judged(struct stack *st, struct pbuf *p)
{
	uint8_t *frame = (uint8_t *)p->payload + ETH_PAD_SIZE;

	switch (wire_judge(&st->netif, st->ip6, frame, p->len - ETH_PAD_SIZE)) {
	case WIRE_TAKE:
		return true;
	case WIRE_UNTAG:
		memmove(frame + VLAN_TAG, frame, 12);
		return !pbuf_remove_header(p, VLAN_TAG);
	case WIRE_OTHERS:
		st->link->rx_others++;
		return false;
	case WIRE_STOLEN:
		conflict(st, frame);
		break;
	case WIRE_FALSE:
		break;
	}
	st->link->rx_false++;
	return false;
}

static void frame_in(void *arg, const void *frame, uint32_t length, bool checked)
{
	struct stack *st = arg;
	struct link *link = st->link;

	if (length < ETHER_HEADER || length > ETHER_HEADER + VLAN_TAG + link->mtu) {
		link->rx_bad++;
		return;
	}
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(length + ETH_PAD_SIZE), PBUF_POOL);
	if (!p) {
		link->rx_bad++;
		return;
	}
	const uint8_t *from = frame;
	uint32_t pad = ETH_PAD_SIZE;
	for (struct pbuf *q = p; q; q = q->next) {
		memcpy((uint8_t *)q->payload + pad, from, q->len - pad);
		from += q->len - pad;
		pad = 0;
	}
	link->rx_frames++;
	link->rx_bytes += length;
	/* Judged is the copy, whose sender cannot change it any more. */
	if (!judged(st, p)) {
		pbuf_free(p);
		return;
	}
	/* The stack takes the frame in before input() returns: the flags are for this one. */
	if (st->trust_checksum && checked)
		NETIF_SET_CHECKSUM_CTRL(&st->netif, NETIF_CHECKSUM_ENABLE_ALL &
				~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP));
	if (st->netif.input(p, &st->netif) != ERR_OK)
		pbuf_free(p);
	if (st->trust_checksum)
		NETIF_SET_CHECKSUM_CTRL(&st->netif, NETIF_CHECKSUM_ENABLE_ALL);
}

/* ---- frames out -------------------------------------------------------------------- */

static err_t frame_out(struct netif *netif, struct pbuf *p)
{
	struct stack *st = netif->state;
	struct link *link = st->link;
	u16_t length = p->tot_len - ETH_PAD_SIZE;
	uint8_t *room = link->ops->room(link, length);

	if (!room) {
		link->tx_full++;
		st->full = true;
		return ERR_MEM;
	}
	u16_t pad = ETH_PAD_SIZE;
	for (const struct pbuf *q = p; q; q = q->next) {
		memcpy(room, (const uint8_t *)q->payload + pad, q->len - pad);
		room += q->len - pad;
		pad = 0;
	}
	link->ops->send(link, length);
	link->tx_frames++;
	link->tx_bytes += length;
	return ERR_OK;
}

/* ---- is it our address alone? ------------------------------------------------------------- */

/* An ARP probe (RFC 5227, 2.1.1): whoever answers has our address. */
static void stack_probe(struct stack *st)
{
	const uint8_t *m = st->netif.hwaddr;
	const uint8_t head[] = { 255,  255,  255,  255,  255,  255,  m[0], m[1], m[2], m[3],
				 m[4], m[5], 8,    6,    0,    1,    8,    0,    6,    4,
				 0,    1,    m[0], m[1], m[2], m[3], m[4], m[5] };
	struct pbuf *p = pbuf_alloc(PBUF_RAW, ETH_PAD_SIZE + 42, PBUF_RAM);

	if (!p)
		return;
	uint8_t *at = (uint8_t *)p->payload + ETH_PAD_SIZE;
	memset(at, 0, 42);
	memcpy(at, head, sizeof(head));
	memcpy(at + 38, netif_ip4_addr(&st->netif), 4);
	frame_out(&st->netif, p);
	pbuf_free(p);
}

/* lwIP finds IPv6 duplicates by itself (RFC 4862, 5.4), and then tells nobody. */
static void look_for_duplicates(struct stack *st)
{
	for (uint32_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		bool twice = ip6_addr_isduplicated(netif_ip6_addr_state(&st->netif, i));

		if (twice && !(st->said6 & 1u << i)) {
			st->link->conflicts++;
			rf_log_peer("address conflict: %s is used by another; it is not used here",
				    ip6addr_ntoa(netif_ip6_addr(&st->netif, i)));
		}
		st->said6 = (st->said6 & ~(1u << i)) | (twice ? 1u << i : 0);
	}
}

static void look_for_others(struct stack *st)
{
	uint64_t now = stack_now_ns() / 1000000;

	look_for_duplicates(st);
	if (!st->probes || !st->link->up || now - st->probed < PROBE_MS)
		return;
	st->probes--;
	st->probed = now;
	stack_probe(st);
}

/* ---- the interface -------------------------------------------------------------------- */

static void status_changed(struct netif *netif)
{
	struct stack *st = netif->state;

	if (ip4_addr_cmp(netif_ip4_addr(netif), ip_2_ip4(&st->said4)))
		return;
	ip_addr_copy_from_ip4(st->said4, *netif_ip4_addr(netif));
	st->probes = 0;
	if (ip4_addr_isany_val(*netif_ip4_addr(netif))) {
		rf_log_peer("the IPv4 address is gone");
		return;
	}
	char address[16], gateway[16];
	ip4addr_ntoa_r(netif_ip4_addr(netif), address, sizeof(address));
	ip4addr_ntoa_r(netif_ip4_gw(netif), gateway, sizeof(gateway));
	st->probes = PROBES;
	rf_log_peer("address %s, netmask %s, gateway %s", address,
		    ip4addr_ntoa(netif_ip4_netmask(netif)), gateway);
}

static err_t netif_setup(struct netif *netif)
{
	struct stack *st = netif->state;

	netif->name[0] = 'r';
	netif->name[1] = 'f';
	netif->hostname = "ringfence";
	netif->hwaddr_len = 6;
	memcpy(netif->hwaddr, st->link->mac, 6);
	netif->mtu = st->link->mtu;
	netif->mtu6 = st->link->mtu;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_MLD6;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = frame_out;
	return ERR_OK;
}

static void address4(struct stack *st, const struct rf_lwip_config *c)
{
	ip4_addr_t address, mask, gateway;

	if (c->mode4 != RF_LWIP_STATIC)
		return;
	uint32_t bits = c->bits4 ? ~0u << (32 - c->bits4) : 0;
	memcpy(&address, c->address4, 4);
	memcpy(&gateway, c->gateway4, 4);
	mask.addr = PP_HTONL(bits);
	netif_set_addr(&st->netif, &address, &mask, &gateway);
}

static void address6(struct stack *st, const struct rf_lwip_config *c)
{
	ip6_addr_t address = { 0 };
	s8_t slot;

	if (c->mode6 == RF_LWIP_OFF)
		return;
	netif_create_ip6_linklocal_address(&st->netif, 1);
	if (c->mode6 == RF_LWIP_AUTO)
		netif_set_ip6_autoconfig_enabled(&st->netif, 1);
	if (c->mode6 != RF_LWIP_STATIC)
		return;
	memcpy(address.addr, c->address6, 16);
	ip6_addr_assign_zone(&address, IP6_UNICAST, &st->netif);
	if (netif_add_ip6_address(&st->netif, &address, &slot) == ERR_OK)
		netif_ip6_addr_set_state(&st->netif, slot, IP6_ADDR_TENTATIVE);
}

/* Servers that the configuration names are not replaced by any on the link. */
static bool servers_fixed;

void rf_lwip_dns_offered(uint8_t index, const ip_addr_t *server)
{
	if (!servers_fixed)
		dns_setserver(index, server);
}

static void name_servers(const struct rf_lwip_config *c)
{
	servers_fixed = c->dns_count;
	for (u8_t i = 0; i < c->dns_count && i < DNS_MAX_SERVERS; i++) {
		ip_addr_t server;

		stack_address(&server, &c->dns[i]);
		dns_setserver(i, &server);
	}
}

void stack_open(struct stack *st, struct link *link, const struct rf_lwip_config *c)
{
	peers_open(c);
	st->link = link;
	st->trust_checksum = c->flags & RF_LWIP_TRUST_CHECKSUM;
	st->ip6 = c->mode6 != RF_LWIP_OFF;
	st->started = stack_now_ns() / 1000000;
	ip_addr_set_zero_ip4(&st->said4);
	RF_BUG_ON(!netif_add_noaddr(&st->netif, st, netif_setup, ethernet_input));
	netif_set_status_callback(&st->netif, status_changed);
	netif_set_default(&st->netif);
	if (c->hostname[0])
		st->netif.hostname = c->hostname;
	netif_set_up(&st->netif);
	if (link->up)
		netif_set_link_up(&st->netif);
	address4(st, c);
	address6(st, c);
	name_servers(c);
	if (c->mode4 == RF_LWIP_DHCP && dhcp_start(&st->netif) != ERR_OK)
		rf_die(RF_EXIT_BUG, "DHCP cannot be started");
}

int stack_poll(struct stack *st)
{
	int n = st->link->ops->receive(st->link, frame_in, st, STACK_BURST);

	if (st->full) {
		st->full = false;
		tcp_txnow();
	}
	st->link->ops->flush(st->link);
	return n;
}

/* Retransmits what a dead driver took with it. TCP need not find that out by its timers. It was
 * no congestion, so windows stay as they are. */
static void resend(void)
{
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (pcb->flags & TF_INFR)
			pcb->cwnd = pcb->ssthresh;
		if (tcp_rexmit_rto_prepare(pcb) != ERR_OK)
			continue;
		pcb->rtime = 0;
		tcp_output(pcb);
	}
}

void stack_tick(struct stack *st)
{
	if (st->link->up != (bool)netif_is_link_up(&st->netif)) {
		rf_log("link %s", st->link->up ? "up" : "down: no carrier");
		if (st->link->up) {
			netif_set_link_up(&st->netif);
			st->probes = ip4_addr_isany_val(*netif_ip4_addr(&st->netif)) ? 0 : PROBES;
		} else
			netif_set_link_down(&st->netif);
	}
	if (st->link->renewed && st->link->up) {
		st->link->renewed = false;
		resend();
	}
	ticks_run();
	sys_check_timeouts();
	sack_tick();
	look_for_others(st);
	if (netif_dhcp_data(&st->netif) && !dhcp_supplied_address(&st->netif)) {
		if (!st->said_waiting && stack_now_ns() / 1000000 - st->started > QUIET_MS) {
			st->said_waiting = true;
			rf_log_peer("no answer to DHCP yet; asking on");
		}
	}
}

uint32_t stack_timeout(void)
{
	uint32_t timers = sys_timeouts_sleeptime();

	return LWIP_MIN(timers, LWIP_MIN(ticks_timeout(), sack_timeout()));
}

void stack_address(ip_addr_t *to, const struct rf_lwip_addr *from)
{
	memset(to, 0, sizeof(*to));
	IP_SET_TYPE_VAL(*to, from->family == 6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	memcpy(from->family == 6 ? (void *)ip_2_ip6(to)->addr : (void *)&ip_2_ip4(to)->addr,
	       from->bytes, from->family == 6 ? 16 : 4);
}

static bool reaches4(const struct netif *n, const ip4_addr_t *to)
{
	u8_t first = ip4_addr1(to);

	return first && first != 127 && first < 224 && !ip4_addr_isbroadcast(to, n) &&
	       !ip4_addr_isany(netif_ip4_addr(n)) && !ip4_addr_eq(to, netif_ip4_addr(n)) &&
	       (ip4_addr_net_eq(to, netif_ip4_addr(n), netif_ip4_netmask(n)) ||
		!ip4_addr_isany(netif_ip4_gw(n)));
}

static bool reaches6(struct netif *n, const ip6_addr_t *to)
{
	return !ip6_addr_isany(to) && !ip6_addr_ismulticast(to) && !ip6_addr_isloopback(to) &&
	       !ip6_addr_isipv4mappedipv6(to) && netif_get_ip6_addr_match(n, to) < 0 &&
	       ip6_select_source_address(n, to);
}

int stack_reaches(const ip_addr_t *to)
{
	struct netif *n = netif_default;

	if (!n || (IP_IS_V6(to) ? reaches6(n, ip_2_ip6(to)) : reaches4(n, ip_2_ip4(to))))
		return 0;
	return -ENETUNREACH;
}
