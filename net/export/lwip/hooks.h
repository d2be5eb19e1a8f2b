/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - where lwIP asks us.
 *
 * Room:   net/export/lwip. Included by lwIP's sources through LWIP_HOOK_FILENAME, and by the files
 *         that define these functions.
 */
#ifndef RF_LWIP_HOOKS_H
#define RF_LWIP_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct tcp_pcb;
struct tcp_hdr;

/* Initial sequence number of a connection (RFC 6528): secret.c. */
uint32_t rf_lwip_isn(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
		     uint16_t remote_port);
#define LWIP_HOOK_TCP_ISN rf_lwip_isn

/* A segment, its header in host order, before the connection or the listener it is for sees
 * it. Not ERR_OK: it is dropped, and nothing is answered. stream.c. */
err_t rf_lwip_segment(struct tcp_pcb *, const struct tcp_hdr *);
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, options, first, second, p) \
	rf_lwip_segment(pcb, header)

/* A segment is about to be sent; was acknowledged; all in flight is about to be sent again; a
 * connection whose peer knows SACK has taken an acknowledgement in, with what it says of bytes
 * behind a gap. sack.c. */
struct tcp_seg;
struct tcp_sack_range;
void rf_lwip_seg_sent(struct tcp_pcb *, struct tcp_seg *);
void rf_lwip_seg_acked(struct tcp_pcb *, const struct tcp_seg *);
void rf_lwip_timed_out(struct tcp_pcb *);
void rf_lwip_ack(struct tcp_pcb *, const struct tcp_sack_range *, int n, bool progress);
#define LWIP_HOOK_TCP_SEG_SENT(pcb, seg)   rf_lwip_seg_sent(pcb, seg)
#define LWIP_HOOK_TCP_SEG_ACKED(pcb, seg)  rf_lwip_seg_acked(pcb, seg)
#define LWIP_HOOK_TCP_RTO(pcb)             rf_lwip_timed_out(pcb)
#define LWIP_HOOK_TCP_ACK(pcb, ranges, count, progress) rf_lwip_ack(pcb, ranges, count, progress)

/* May this host be told that nobody listens at a port, with a reset or an ICMP error? Not if that
 * would tell it which ports have a listener it may not know of: peers.c. */
bool rf_lwip_hears(const ip_addr_t *);
#define LWIP_HOOK_TCP_CLOSED rf_lwip_hears

/* May an ICMP error be sent to this host now? peers.c. */
bool rf_lwip_may_complain(const ip_addr_t *);
#define LWIP_HOOK_ICMP_ERROR rf_lwip_may_complain

/* DHCP and router advertisements offer a name server (NULL: take it back): stack.c. The
 * sources that know of such offers include this file, the one that keeps servers does not. */
void rf_lwip_dns_offered(uint8_t index, const ip_addr_t *);
#define dns_setserver rf_lwip_dns_offered

#endif
