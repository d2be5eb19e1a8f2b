/* SPDX-License-Identifier: MIT */
/* link_fd.h - a link that is an fd: see link_fd.c. Room: net/export/lwip, trusted. */
#ifndef RF_LWIP_LINK_FD_H
#define RF_LWIP_LINK_FD_H

#include <stdint.h>

#include "link.h"
#include "loop.h"

void link_fd_open(struct link *, struct loop_watch *, const uint8_t mac[6], uint16_t mtu);

#endif
