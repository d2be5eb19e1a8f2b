/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the last thing an export does before it meets a stranger.
 *
 * Room:   sandbox/session, trusted.
 */
#ifndef RF_LOCK_H
#define RF_LOCK_H

#include <stdint.h>

/*
 * From here on only the system calls of policy/syscalls/NAME.list; any other ends
 * the process. Also: memory locked, and the walls of fence.h. 0, or -errno after one
 * line in the log.
 */
int rf_service_lock(const char *name);

/* The same for one that cannot do its work behind these of RF_FENCE_WALLS. */
int rf_service_lock_without(const char *name, uint64_t walls);

#endif
