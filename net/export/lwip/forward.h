/* SPDX-License-Identifier: MIT */
/*
 * forward.h - the services that join a connection of the host and a stream.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_FORWARD_H
#define RF_LWIP_FORWARD_H

#include <stdint.h>

#include "join_table.h"
#include "lwip_config.h"

int  services_open(struct service *, struct lwip_disk *, const struct rf_lwip_config *);
void services_watch(struct service *, uint32_t count);

#endif
