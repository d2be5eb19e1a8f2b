/* SPDX-License-Identifier: MIT */
/* status.h - what the status page tells: see http.h. Room: net/export/lwip, trusted. */
#ifndef RF_LWIP_STATUS_H
#define RF_LWIP_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct service;
struct stack;
struct lwip_disk;

struct status {
	const struct stack   *stack;
	const struct service *services;
	uint32_t              service_count;
	const struct lwip_disk    *disks;
	uint32_t              disk_count;
	uint64_t              started_ns;
};

/* Both fill `to` and return the length: text of HTML, text of OpenMetrics 1.0. */
size_t status_page(const struct status *, char *to, size_t room);
size_t status_metrics(const struct status *, char *to, size_t room);

#endif
