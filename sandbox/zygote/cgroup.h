/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h - one control group a device, for its drivers: memory, processes, time.
 *
 * Room:   sandbox/zygote, root.
 * Needs:  cgroup v2 at /sys/fs/cgroup, and the right to make groups below our own: as
 *         root, or delegated by a service manager.
 */
#ifndef RF_CGROUP_H
#define RF_CGROUP_H

#include <stdint.h>

/* Finds the place, once. 0, or -errno: there is none. */
int rf_cgroup_open(void);

/* An fd of the group of this device, made if need be, at most `memory` bytes in it.
 * -errno: none. */
int rf_cgroup_get(const char *device, uint64_t memory);

/* Removes all groups; nobody may live in them any more. */
void rf_cgroup_close(void);

#endif
