/* SPDX-License-Identifier: MIT */
/*
 * zygote.h - what the keeper asks of the zygote, the process that starts all others.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET; one struct rf_zygote_order a packet with the fds, each but FINISH
 *         answered by struct rf_zygote_done.
 * Writes: the keeper, its only client (sandbox/keeper/zygote_client.c), orders; the zygote answers.
 * Reads:  both.
 * Believed: no order without a check: nothing runs as root but supervisor and broker out of files
 *         the zygote opened itself, and everything else as one of ringfence's users.
 */
#ifndef RF_ZYGOTE_H
#define RF_ZYGOTE_H

#include <stdint.h>
#include <sys/types.h>

#include "keeper.h"
#include "walls.h"

enum rf_zygote_type {
	RF_ZYGOTE_RUN = 1,
	RF_ZYGOTE_SUPERVISE,
	RF_ZYGOTE_OPEN,
	RF_ZYGOTE_LOAD, /* the configuration is read anew; with a pipe for lines of the log */
	RF_ZYGOTE_FINISH
};

struct rf_zygote_order {
	uint32_t type;      /* enum rf_zygote_type */
	uint32_t give_back; /* FINISH */
	struct rf_keep_spawn spawn; /* RUN */
};

/* The child's pidfd is with it, and its report if it has one. */
struct rf_zygote_done {
	int32_t error;
	int32_t pid;
};

struct rf_spawned {
	pid_t pid;
	int pidfd;
	int report; /* drivers: what stands is read from here, see rf_spawn_walls(); else -1 */
	struct rf_wall_report walls;
};

rf_zygote_life rf_zygote_main;

#endif
