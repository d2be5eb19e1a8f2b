/* SPDX-License-Identifier: MIT */
/*
 * reach.h - gives a join its end on the stack's side: an address or a name is connected to.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_REACH_H
#define RF_LWIP_REACH_H

#include "join_table.h"

/* `port` is set. The name, or the address where that is "". */
void join_reach(struct join *, const char *name, const struct rf_lwip_addr *);
/* The connection to this address failed: a name's other address is tried, or the join fails. */
void join_next(struct join *, int err);
void join_fail(struct join *, int err); /* the second end cannot be had */

#endif
