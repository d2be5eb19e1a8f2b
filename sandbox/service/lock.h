/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the last thing an export does before it meets a stranger.
 *
 * Room:   sandbox/service, trusted.
 */
#ifndef RF_LOCK_H
#define RF_LOCK_H

/*
 * From here on only the system calls of policy/syscalls/NAME.list; any other ends
 * the process. Also: memory locked, no core, not dumpable. 0, or -errno after one
 * line in the log.
 */
int rf_service_lock(const char *name);

#endif
