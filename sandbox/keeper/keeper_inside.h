/* SPDX-License-Identifier: MIT */
/*
 * keeper_inside.h - what the keeper's two files share: keeper.c, its loop and its children, and
 * keeper_serve.c, what it does for the supervisor.
 *
 * Room:   sandbox/keeper, two capabilities.
 */
#ifndef RF_KEEPER_INSIDE_H
#define RF_KEEPER_INSIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper.h"
#include "stopped.h"
#include "zygote.h"
#include "zygote_client.h"

struct slot {
	char  name[RF_KEEP_NAME];   /* "": free */
	int   fd;                   /* held fd; a process's pidfd */
	pid_t pid;                  /* 0: not a process */
	bool  dead;                 /* reaped, exit not acknowledged yet */
	bool  told;                 /* dead, and the supervisor was notified */
	int   status;               /* of the dead, */
	uint64_t time_ns;           /* when it was reaped, CLOCK_REALTIME */
	struct rf_spawned run;      /* of a process */
	char  notify[RF_KEEP_NAME]; /* of a driver: as in struct rf_keep_spawn */
	uint32_t generation;
	struct rf_exit_info exit_info;
};

struct keeper {
	struct slot slots[RF_KEEP_SLOTS];
	struct rf_zygote zygote;
	struct rf_stopped stopped;
	int         client;     /* socket to the supervisor */
	pid_t       supervisor; /* 0: reaped, status is how it ended */
	pid_t       broker;     /* 0: reaped */
	int         refused;    /* code of a broker that gave up by itself; 0: none did */
	int         status;
	uint64_t    started_ns;
	int         soon;       /* deaths right after a start, in a row */
	uint64_t    look_ns;    /* last ping */
	unsigned    unanswered; /* pings since its last answer; 0: none */
	bool        stop;       /* a person asked for the end, */
	bool        stop_told;  /* and the supervisor was notified */
	int         code;       /* of the whole, once done */
	bool        done;
};

/* keeper_serve.c */
struct slot *slot_find(struct keeper *, const char *name); /* NULL: there is none */
void keeper_serve(struct keeper *);                        /* one request, if there is one */
/* Forgets every name that begins with `prefix`. */
void keeper_drop(struct keeper *, const char *prefix);
/* Sends without waiting. False: the supervisor's socket is full, for instance since it is
 * stopped. A message to a dead supervisor is lost, and its death is seen a moment later. */
bool keeper_notify(struct keeper *, struct rf_keep_msg *, const int *fds, int count);

#endif
