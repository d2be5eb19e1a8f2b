/* SPDX-License-Identifier: MIT */
/*
 * nvme_describe.h - what an NVMe controller says it is: driven or not, and as which disk.
 *
 * Room:   sandbox/device/admin. Base Specification 2.0: 3.1.3.1 (CAP), 5.17 (Identify); NVM Command
 *         Set 1.0: 4.1.5. Asks nothing: it is given what was answered.
 * Errors: -EOPNOTSUPP or -EINVAL after one line that says what it is and what would help.
 */
#ifndef RF_NVME_DESCRIBE_H
#define RF_NVME_DESCRIBE_H

#include <stdint.h>

#include "device.h"
#include "nvme.h"

int nvme_check_cap(const struct rf_device *, uint64_t cap);
int nvme_check_ctrl(const struct rf_device *, const struct nvme_id_ctrl *);
/* The page of Identify CNS 03h: which command set is the namespace's? */
int nvme_check_names(const struct rf_device *, uint32_t nsid, const unsigned char *page);
/* Always an error. `active`: the page of CNS 02h, NULL: it is not known. */
int nvme_absent(const struct rf_device *, uint32_t nsid, const uint32_t *active);
/* Fills d->info and d->disk; *flags: NVME_FLAG_*. `limits`: all zero where the controller says
 * nothing. */
int nvme_describe(struct rf_device *, uint32_t nsid, const struct nvme_id_ctrl *,
		  const struct nvme_id_ns *, const struct nvme_id_limits *limits, uint32_t *flags);

#endif
