/* SPDX-License-Identifier: MIT */
/*
 * share.h - what one host may have of connections, and of the memory they hold.
 *
 * Room:   net/export/lwip, trusted.
 * Host:   an IPv4 address, or the 64 bits of an IPv6 address that one host may have to itself.
 */
#ifndef RF_LWIP_SHARE_H
#define RF_LWIP_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/tcp.h"

/* One host may have three times as many of a thing as are free: never the last ones. */
static inline bool stream_share(uint32_t has, uint32_t unused)
{
	return has < 3 * unused;
}

/* Whose address it is, in 16 bytes. */
void share_host(const ip_addr_t *, uint8_t key[16]);
bool share_same_host(const ip_addr_t *, const ip_addr_t *);

/* Is there room for the connection that the present SYN asks this listener for? One whose peer
 * never answered may go for it: `evicted` is counted then. */
bool share_room(const struct tcp_pcb_listen *, uint64_t *evicted);

/* A connection that its owner has closed goes, with the bytes that its peer did not take: of the
 * host that holds most such memory, the one silent longest. False: there is none. */
bool share_reclaim(void);

#endif
