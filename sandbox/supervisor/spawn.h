/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - start one process with exactly the fds and privileges named.
 *
 * Room:   sandbox/supervisor, privileged; used by keeper and spawner only.
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

/* Once, before the first process: where they are shut up. */
void rf_spawn_root(void);

/* Once, before the first driver: namespaces and control groups. */
void rf_spawn_prepare(void);
/* At the end, when all are reaped. */
void rf_spawn_finish(void);
/* Another process does that, and all that follows: its namespaces are let go here. */
void rf_spawn_forget(void);
/* From here on, who is spawned is the child of our parent. */
void rf_spawn_for_parent(void);

/*
 * Runs fds[0] with fds[i] installed as spawn->target[i] (i >= 1) and every other fd
 * closed, its environment empty, dying with its parent. A driver (RF_FENCE_DRIVER) waits
 * for rf_spawn_seize(). 0, or -errno. A child that cannot be set up exits with 71 after
 * one line on its stderr.
 */
int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, struct rf_spawned *out);

/* Its parent seizes a driver, before the launcher is executed. Nothing to do for others. */
void rf_spawn_seize(const struct rf_spawned *);

/* Adds to out->walls what child and launcher have reported up to now. Never blocks. */
void rf_spawn_walls(struct rf_spawned *out);

#endif
