/* SPDX-License-Identifier: MIT */
/*
 * zygote_client.h - the keeper's side of the zygote, which starts all others, so that the keeper
 *         need not be able to.
 *
 * Room:   sandbox/keeper, two capabilities.
 * Why:    what a driver is born into (namespaces, users, control groups) takes system calls that
 *         a filter hands down to every child. The keeper forks the spawner before it locks
 *         itself; the spawner's children are the keeper's (CLONE_PARENT), which reaps, kills and
 *         traces them as its own.
 * Trust:  the spawner obeys fixed records of the keeper and looks at them first: what it runs is
 *         either supervisor or opener, out of files it opened itself, or one of ringfence's users.
 * Death:  whichever of the two dies, all ends: see keeper.c.
 */
#ifndef RF_ZYGOTE_CLIENT_H
#define RF_ZYGOTE_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper.h"
#include "zygote.h"

struct rf_spawner {
	int   sock;
	pid_t pid; /* 0: it is dead, and reaped */
};

/* Forks it; what it is then runs. `config`: what supervisors and openers get. 0 or -errno. */
int rf_spawner_start(struct rf_spawner *, rf_zygote_life *, int config, const char *program_dir);

/* As rf_spawn(), but the child is the keeper's. -EPIPE: the spawner is dead. */
int rf_spawner_run(const struct rf_spawner *, const struct rf_keep_spawn *, const int *fds,
		   int count, struct rf_spawned *);

/* The first starts a supervisor, with sockets to its keeper and its opener; the second an
 * opener, whose supervisor asks over `sock`. The pid, or -errno. */
pid_t rf_spawner_supervise(const struct rf_spawner *, int keeper, int opener);
pid_t rf_spawner_open(const struct rf_spawner *, int sock);

/* When all others are reaped: has control groups removed, and devices given back if nobody else
 * did that. Returns when it is done. */
void rf_spawner_finish(struct rf_spawner *, bool give_back);

/* Seizes (ptrace) a driver before its launcher is executed. Does nothing for other processes. */
void rf_spawn_seize(const struct rf_spawned *);

/* Adds to out->walls what child and launcher have reported up to now. Never blocks. */
void rf_spawn_walls(struct rf_spawned *out);

#endif
