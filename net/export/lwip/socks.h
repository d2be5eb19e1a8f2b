/* SPDX-License-Identifier: MIT */
/*
 * socks.h - a client on the host says by SOCKS where it wants to.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_SOCKS_H
#define RF_LWIP_SOCKS_H

#include <stdbool.h>

#include "join_table.h"
#include "lwip_config.h"

void socks_begin(struct proxy *);
struct socks_place {
	struct rf_lwip_addr address;
	char name[PROXY_NAME]; /* "": by address */
};

/* True: the client has asked for this place, and `port` is set. Else it has not said enough, or
 * the proxied connection is gone. */
bool socks_input(struct proxy *, struct socks_place *);
/* The stream is there (0), or it is not (-errno): answers. False: the proxied connection is
 * gone. */
bool socks_answer(struct proxy *, int err);

#endif
