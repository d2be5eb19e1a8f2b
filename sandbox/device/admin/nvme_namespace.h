/* SPDX-License-Identifier: MIT */
/*
 * nvme_namespace.h - which namespace of an NVMe controller is served, and is it still that one?
 *
 * Room:   sandbox/device/admin. The controller is enabled.
 */
#ifndef RF_NVME_NAMESPACE_H
#define RF_NVME_NAMESPACE_H

#include <stdint.h>

#include "device.h"
#include "nvme.h"

/* A page of Identify, copied out. 0, the NVMe status, or -errno; nothing is logged. */
int nvme_identify_try(struct rf_device *, uint32_t cns, uint32_t nsid, void *to);
/* Sets nvme.nsid to what the configuration means. 0, or -errno after a line: not there, or two. */
int nvme_namespace_find(struct rf_device *);
/* As it is described to drivers. */
void nvme_namespace_note(const struct nvme_id_ns *);
/* Before a driver: is it as it was noted? 0, or -errno after a line. */
int nvme_namespace_same(struct rf_device *);
/* The name of that type and length in a page of Identify CNS 03h; NULL: it has none. */
const uint8_t *nvme_name_of(const uint8_t *page, uint8_t type, uint8_t bytes);

#endif
