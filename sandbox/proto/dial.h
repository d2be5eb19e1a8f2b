/* SPDX-License-Identifier: MIT */
/*
 * dial.h - connections to the host's sockets, which rf-lwip asks rf-dial for.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, RF_LWIP_FD_DIAL to RF_DIAL_FD_STACK: struct rf_dial_ask, answered by
 *         struct rf_dial_answer with the fd.
 * Writes: rf-lwip asks, rf-dial answers.
 * Reads:  both.
 * Believed: an ask names a service of the configuration by its index, which is checked, and
 *         nothing else: rf-lwip is who a stranger would take over.
 */
#ifndef RF_DIAL_H
#define RF_DIAL_H

#include <stdint.h>

/* fds of rf-dial. */
#define RF_DIAL_FD_STACK  3 /* SEQPACKET to rf-lwip */
#define RF_DIAL_FD_CONFIG 4 /* memfd: struct rf_lwip_config */

/* rf-lwip asks for a connection to the target of a service ... */
struct rf_dial_ask {
	uint32_t id; /* comes back */
	uint32_t service;
};
/* ... and gets it as an fd: connected, or about to be. */
struct rf_dial_answer {
	uint32_t id;
	int32_t  error; /* -errno: no fd comes with it */
};

#endif
