/* SPDX-License-Identifier: MIT */
/*
 * secret.h - what a stranger must not guess: sequence numbers, ports, transaction ids.
 *
 * Room:   net/export/lwip, trusted. Key: getrandom() at start, before the process is locked.
 */
#ifndef RF_LWIP_SECRET_H
#define RF_LWIP_SECRET_H

#include <stdint.h>

/* Once, before lwip_init(). Dies with a line where there is no randomness. */
void secret_init(void);
/* A port to connect from, of those RFC 6335 leaves to everybody (RFC 6056, 3.3.1). */
uint16_t secret_port(void);

#endif
