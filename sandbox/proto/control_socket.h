/* SPDX-License-Identifier: MIT */
/*
 * control_socket.h - what `ringfence status` and the other commands ask of a supervisor.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, for the owner only: one struct rf_ask, with `reload` a pipe for lines
 *         that a person should see; then one struct rf_snapshot a device with `status`, and at
 *         last one struct rf_answer.
 * Writes: `ringfence` asks, the supervisor answers.
 * Reads:  both.
 * Believed: verb and name as far as they are known. The supervisor prints nothing and parses no
 *         text: whoever asks does, and makes printable what it gets.
 */
#ifndef RF_SNAPSHOT_H
#define RF_SNAPSHOT_H

#include <stdint.h>

#include "boot.h"
#include "config.h"
#include "device_config.h"
#include "identity.h"
#include "walls.h"

enum rf_ask_verb { RF_ASK_STATUS = 1, RF_ASK_RESTART, RF_ASK_STOP, RF_ASK_RELOAD };

struct rf_ask {
	uint32_t verb; /* enum rf_ask_verb */
	char     device[RF_NAME]; /* RESTART */
};

struct rf_answer {
	/* 0; -ENOENT: no such device; -EINVAL: no such verb; of RELOAD -EBUSY: one is under way,
	 * -ENOTSUP, -ESHUTDOWN and others */
	int32_t error;
	int32_t code;  /* RELOAD: an exit code, why nothing was changed; 0: it is taken */
};

enum dev_state {
	DEV_OFF,         /* nothing of it runs */
	DEV_STARTING,    /* device process initialises the device */
	DEV_RUNNING,     /* exports, a driver runs or is being replaced */
	DEV_QUARANTINED, /* its driver died too often; `restart` is the way back */
	DEV_STOPPING,    /* told to stop, or its device process died: all of it ends */
	DEV_WAITING,     /* its device server went away; tried again later */
	DEV_REVIVING,    /* its device process died: export and clients wait for the next one */
	DEV_FAILED,      /* ended for good; code says why */
	DEV_STATES
};

/* Why a driver that ran is dead. */
enum death {
	DEATH_CRASH,
	DEATH_HANG,
	DEATH_STALL,
	DEATH_PROTO,
	DEATH_HANDOVER,
	DEATH_STORM,
	DEATH_RESET, /* for another queue, whose driver died */
	DEATHS
};

/* One queue of a device. */
struct rf_snapshot_queue {
	uint32_t generation;  /* of the running driver; 0: none */
	int32_t  driver_pid, standby_pid;
	uint32_t reserved;
	uint64_t deaths;
};

/* One device. With it comes the memfd of stats.h, if the device is open. */
struct rf_snapshot {
	char     name[RF_NAME], pci[RF_NAME], driver[RF_NAME];
	uint32_t state;       /* enum dev_state */
	uint32_t export_kind; /* enum rf_export_kind */
	uint32_t service;     /* enum rf_service_kind */
	int32_t  code;
	uint32_t generation;  /* of queue 0's running driver; 0: none */
	/* the first two queue 0's; 0: there is none */
	int32_t  driver_pid, standby_pid, device_pid, export_pid;
	int32_t  supervisor_pid;
	uint64_t takeovers;   /* supervisors before this one that died */
	uint64_t deaths, standby_deaths, process_deaths;
	uint64_t server_failures; /* connections to its device server that ended in a failure of
				   * it */
	uint64_t died_of[DEATHS];
	uint64_t size;
	uint32_t block_size;
	/* its device server cannot be reached for so long, rounded up; 0: it can, */
	uint32_t server_away_s;
	uint32_t server_failed; /* 1: and its clients get EIO by now */
	struct rf_identity disk, other; /* which it is; which one is in its place, if any */
	struct rf_wall_report walls;
	uint32_t queues, reserved; /* that are used; 0: not known yet */
	struct rf_snapshot_queue queue[RF_MAX_QUEUES];
};

#endif
