/* SPDX-License-Identifier: MIT */
/*
 * zygote_client.h - the keeper's side of the zygote, which starts all others, so that the keeper
 *         need not be able to.
 *
 * Room:   sandbox/keeper, two capabilities.
 * Why:    what a driver is born into (namespaces, users, control groups) takes system calls that
 *         a filter hands down to every child. The keeper forks the zygote before it locks
 *         itself; the zygote's children are the keeper's (CLONE_PARENT), which reaps, kills and
 *         traces them as its own.
 * Trust:  the zygote obeys fixed records of the keeper and looks at them first: what it runs is
 *         either supervisor or broker, out of files it opened itself, or one of ringfence's users.
 * Death:  whichever of the two dies, all ends: see keeper.c.
 */
#ifndef RF_ZYGOTE_CLIENT_H
#define RF_ZYGOTE_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper.h"
#include "zygote.h"

struct rf_zygote {
	int   sock;
	pid_t pid; /* 0: it is dead, and reaped */
};

/* Forks it; what it is then runs. 0 or -errno. */
int rf_zygote_start(struct rf_zygote *, rf_zygote_life *);

/* As rf_spawn(), but the child is the keeper's. -EPIPE: the zygote is dead. */
int rf_zygote_run(const struct rf_zygote *, const struct rf_keep_spawn *, const int *fds,
		   int count, struct rf_spawned *);

/* The configuration is read anew by another process, which is our child. What it read the next
 * broker and supervisor start with. `log`: a pipe for its lines; -1: they go where all go. */
int rf_zygote_load(const struct rf_zygote *, int log, struct rf_spawned *);

/* The first starts a supervisor, with sockets to its keeper and its broker; the second a
 * broker, whose supervisor asks over `sock`. The pid, or -errno. */
pid_t rf_zygote_supervise(const struct rf_zygote *, int keeper, int broker);
pid_t rf_zygote_open(const struct rf_zygote *, int sock);

/* When all others are reaped: has control groups removed, and devices given back if nobody else
 * did that. Returns when it is done. */
void rf_zygote_finish(struct rf_zygote *, bool give_back);

/* Seizes (ptrace) a driver before its launcher is executed. Does nothing for other processes. */
void rf_spawn_seize(const struct rf_spawned *);

/* Adds to out->walls what child and launcher have reported up to now. Never blocks. */
void rf_spawn_walls(struct rf_spawned *out);

#endif
