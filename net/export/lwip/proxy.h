/* SPDX-License-Identifier: MIT */
/*
 * proxy.h - a connection of the host and a stream of the stack, joined.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Life:   it is opened with one of the two ends, gets the other one (dialled, resolved and
 *         connected, or asked for by SOCKS), and then bytes, ends and resets are carried
 *         over in both directions until both have ended.
 * Room for bytes is bounded: the stream's ring one way, `out` the other. Who is full stops
 *         reading, so that the peer is slowed down and nothing is lost.
 */
#ifndef RF_LWIP_PROXY_H
#define RF_LWIP_PROXY_H

#include <stdint.h>

#include "join_table.h"

struct proxy *proxy_new(struct service *); /* NULL: all in use */
void proxy_host(struct proxy *, int fd);   /* gives it its host end */
void proxy_run(struct proxy *);            /* moves what can be moved */
void proxy_tick(uint64_t now);             /* ends what takes too long */
struct proxy *proxy_unasked(void);         /* one that rf-dial was not asked for yet */

#endif
