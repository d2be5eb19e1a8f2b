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

struct rf_spawned {
	pid_t pid;
	int pidfd;
	int report; /* drivers: what stands is read from here, see rf_spawn_walls(); else -1 */
	struct rf_wall_report walls;
};

/* Once, before the first driver: namespaces and control groups. */
void rf_spawn_prepare(void);
/* At the end, when all are reaped. */
void rf_spawn_finish(void);

/*
 * Runs fds[0] with fds[i] installed as spawn->target[i] (i >= 1) and every other fd
 * closed, its environment empty, dying with its parent. A driver (RF_FENCE_DRIVER) is
 * seized before its launcher is executed. 0, or -errno. A child that cannot be set up
 * exits with 71 after one line on its stderr.
 */
int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, struct rf_spawned *out);

/* Adds to out->walls what child and launcher have reported up to now. Never blocks. */
void rf_spawn_walls(struct rf_spawned *out);

#endif
