/* SPDX-License-Identifier: MIT */
/*
 * privilege.h - what each privileged process does for, and to, itself.
 *
 * Room:   sandbox/lib.
 */
#ifndef RF_PRIVILEGE_H
#define RF_PRIVILEGE_H

#include <stdint.h>
#include <sys/types.h>

#include "filter.h"

/* Locks this process's memory, and has its allocations not wait for the swap. */
void rf_memory_hold(void);
/* Keeps the pages of a program or an image in memory. The mapping; NULL: it failed. */
const void *rf_pages_hold(int fd);
void rf_pages_drop(int fd, const void *pages);
/* Gives this process a real-time policy, so that it runs before others. */
void rf_realtime(void);

/* Makes a directory, or makes sure that it is ours. Ends this process if it is not. */
void rf_dir_make(const char *base, const char *name, mode_t mode);

/* The rest ends this process if it fails. Of our capabilities only those of `mask` stay. */
void rf_caps_keep(uint64_t mask);
/* From here on we are that user and group, in no other. */
void rf_user_become(uint32_t uid, uint32_t gid);
/* We end when that process does, which is our parent. After a change of user, which undoes it. */
void rf_die_with(pid_t parent);
/* The list of policy/syscalls of this name, one of `lists`, is all we may do from here on. */
void rf_lock(const struct rf_filter *lists, const char *name);

#endif
