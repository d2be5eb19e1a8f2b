/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - start one process with exactly the fds and privileges named.
 *
 * Room:   sandbox/zygote, root.
 */
#ifndef RF_SPAWN_H
#define RF_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper.h"
#include "zygote.h"

/* Once, before the first process: makes the empty root directory of all. */
void rf_spawn_root(void);

/* Once, before the first driver: namespaces and control groups. */
void rf_spawn_prepare(void);
/* At the end, when all are reaped. */
void rf_spawn_finish(void);
/* Are new processes from here on children of our parent, or our own? */
void rf_spawn_for_parent(bool parents);

/*
 * Runs fds[0] with fds[i] installed as spawn->target[i] (i >= 1) and every other fd
 * closed, its environment empty, dying with its parent. A driver (RF_FENCE_DRIVER) waits
 * for rf_spawn_seize(). 0, or -errno. A child that cannot be set up exits with 71 after
 * one line on its stderr.
 */
int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, struct rf_spawned *out);

#endif
