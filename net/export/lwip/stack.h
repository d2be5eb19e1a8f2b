/* SPDX-License-Identifier: MIT */
/*
 * stack.h - lwIP on a link: one interface, its addresses, the clock.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Use:    single-threaded. Nothing here blocks.
 */
#ifndef RF_LWIP_STACK_H
#define RF_LWIP_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/netif.h"

#include "link.h"
#include "lwip_config.h"
#include "now.h"

#define STACK_BURST 64 /* frames taken in a row before others have their turn */

struct stack {
	struct link *link;
	struct netif netif;
	bool         trust_checksum; /* believe the device about received checksums */
	bool         ip6;            /* IPv6 is spoken */
	bool         full;           /* frames could not be sent for want of room */
	bool         said_waiting;
	uint64_t     conflict_said;  /* ms */
	uint64_t     started;        /* ms */
	ip_addr_t    said4;          /* address last told to the log */
	uint32_t     said6;          /* bit i: IPv6 address i was told to be a duplicate */
	uint32_t     probes;         /* still to be sent for our IPv4 address */
	uint64_t     probed;         /* ms: the last one was */
};

/* lwip_init() and the clock: once, before anything else here. */
void stack_init(void);
/* The link's MAC and MTU must be known. Addresses as configured; the configuration stays. */
void stack_open(struct stack *, struct link *, const struct rf_lwip_config *);
/* Takes received frames in and lets held-back segments out. Frames taken. */
int  stack_poll(struct stack *);
/* Carrier as the link has it; timers. Call often: it looks at the clock itself. */
void stack_tick(struct stack *);
/* Milliseconds until a timer is due. */
uint32_t stack_timeout(void);

/* stack_clock() after a sleep, before anybody is called: connections are told how long it was. */
void     stack_awake(void);

/* An address of the configuration as lwIP has it. */
void stack_address(ip_addr_t *, const struct rf_lwip_addr *);
/* Can anybody have this address, and is there a way? 0, or -ENETUNREACH: so that nobody waits
 * for what cannot be. */
int  stack_reaches(const ip_addr_t *);

#endif
