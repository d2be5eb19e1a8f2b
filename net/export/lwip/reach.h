/* SPDX-License-Identifier: MIT */
/*
 * reach.h - gives a proxied connection its end on the stack's side: an address or a name is
 * connected to.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_REACH_H
#define RF_LWIP_REACH_H

#include "join_table.h"
#include "lwip_config.h"

/* `port` is set. The name, or the address where that is "". */
void proxy_reach(struct proxy *, const char *name, const struct rf_lwip_addr *);
/* The connection to this address failed: a name's other address is tried, or the proxied connection
 * fails. */
void proxy_next(struct proxy *, int err);
void proxy_fail(struct proxy *, int err); /* the second end cannot be reached */

#endif
