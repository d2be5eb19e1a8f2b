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
#include "slots.h"
#include "stopped.h"
#include "zygote_client.h"

struct keeper {
	struct slots slots;
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
	/* What a person asked for by a signal: */
	bool        stop, stop_told;     /* the end, and the supervisor was notified */
	bool        reload;     /* the configuration read anew: it was not notified yet */
	bool        renew;      /* the supervisor is replaced, since its configuration is */
	int         code;       /* of the whole, once done */
	bool        done;
};

/* keeper_serve.c */
void keeper_serve(struct keeper *);                        /* one request, if there is one */
/* Sends without waiting. False: the supervisor's socket is full, for instance since it is
 * stopped. A message to a dead supervisor is lost, and its death is seen a moment later. */
bool keeper_notify(struct keeper *, struct rf_keep_msg *, const int *fds, int count);

#endif
