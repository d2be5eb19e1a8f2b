/* SPDX-License-Identifier: MIT */
/*
 * link_service.h - a link behind a fenced driver: see link_service.c.
 *
 * Room:   net/export/lwip, trusted.
 */
#ifndef RF_LWIP_LINK_SERVICE_H
#define RF_LWIP_LINK_SERVICE_H

#include <stdint.h>

#include "link.h"

/* `link->known` turns true when the device process has told of the interface. */
struct link *link_service_open(void);
uint64_t     link_service_spin_ns(void);
int          link_service_patience(void); /* milliseconds: see rf_net_patience() */

#endif
