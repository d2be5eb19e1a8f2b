/* SPDX-License-Identifier: MIT */
/*
 * http.h - the status page: / for people, /metrics for machines. GET and HEAD only.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_HTTP_H
#define RF_LWIP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"
#include "stream.h"

void http_init(const struct status *);
bool http_accept(struct stream *, void *arg);
/* Ends who takes too long. */
void http_tick(uint64_t now);

#endif
