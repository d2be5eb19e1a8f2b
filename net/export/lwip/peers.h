/* SPDX-License-Identifier: MIT */
/*
 * peers.h - which hosts a service lets in, and which hear of closed ports and of errors.
 *
 * Room:   net/export/lwip, trusted, unprivileged. lwIP asks through hooks.h.
 */
#ifndef RF_LWIP_PEERS_H
#define RF_LWIP_PEERS_H

#include <stdbool.h>

#include "lwip/ip_addr.h"

#include "lwip_config.h"

/* Whose lists decide who hears of closed ports. The configuration stays. */
void peers_open(const struct rf_lwip_config *);
/* A connection's peer against its service's list. */
bool peers_allow(const struct rf_lwip_service *, const ip_addr_t *peer);

#endif
