/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - start one process with exactly the fds and privileges named.
 *
 * Room:   sandbox/supervisor, privileged; used by the keeper only.
 */
#ifndef RF_SPAWN_H
#define RF_SPAWN_H

#include <sys/types.h>

#include "keeper.h"

/*
 * Runs fds[0] with fds[i] installed as spawn->target[i] (i >= 1) and every other fd
 * closed, its environment empty, dying with its parent. 0 and the pid and its pidfd,
 * or -errno. A child that cannot be set up exits with 71 after one line on its
 * stderr.
 */
int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, pid_t *pid, int *pidfd);

#endif
