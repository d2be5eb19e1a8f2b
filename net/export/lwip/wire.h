/* SPDX-License-Identifier: MIT */
/*
 * wire.h - which received frames the stack gets to see.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Trust:  none. Whoever shares the link can write any frame. What no honest host would send
 *         to this one is dropped here, before lwIP, which was written for a friendly wire.
 * Rules:  RFC 1122 3.2.1.3 and 3.3.6, RFC 4291 2.5, RFC 4861 (6.1, 7.1, 8.1), RFC 6980,
 *         RFC 8201; the list is in net/README.md.
 */
#ifndef RF_LWIP_WIRE_H
#define RF_LWIP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/netif.h"

enum wire_verdict {
	WIRE_TAKE,
	WIRE_UNTAG,  /* take it without its tag, which is of no VLAN */
	WIRE_OTHERS, /* not sent to this host, or of a protocol it does not speak */
	WIRE_FALSE,  /* says what cannot be true on this link */
	WIRE_STOLEN, /* comes from an address of our own */
};

/* The frame's first `length` bytes, from the Ethernet header on, in memory only we write.
 * `ip6`: the stack has IPv6. */
enum wire_verdict wire_judge(struct netif *, bool ip6, const uint8_t *frame, uint32_t length);

/* Of a segment that belongs to a connection: does its sender know the connection's numbers
 * (RFC 5961, 5.2)? If not the peer is told where the connection stands. */
struct tcp_pcb;
struct tcp_hdr;
bool wire_knows(struct tcp_pcb *, const struct tcp_hdr *);

#endif
