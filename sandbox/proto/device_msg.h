/* SPDX-License-Identifier: MIT */
/*
 * device_msg.h - what a supervisor and a device process say to each other.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, one struct rf_dev_msg a packet, fds with it. The device process waits
 *         for nobody there: what cannot be sent now is sent again later.
 * Writes: both; the keeper too, in the supervisor's place (ENDING).
 * Reads:  both.
 * Believed: a type, a size and a generation only as far as they fit: a process that was taken over
 *         must not take over the next one. Figures of a disk or an interface are the device's own.
 */
#ifndef RF_DEVICE_MSG_H
#define RF_DEVICE_MSG_H

#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "identity.h"
#include "net.h"
#include "net_types.h"

enum rf_dev_type {
	/* device -> supervisor */
	RF_DEV_READY = 1, /* info or net, queues: found and initialised; start the export */
	RF_DEV_WANT,      /* generation: spawn a driver. fds: spec, then the windows' fds */
	RF_DEV_KILL,      /* generation, value enum rf_kill: kill it */
	/* generation: its driver died, or is about to and executes nothing more */
	RF_DEV_DOWN,
	RF_DEV_UP,           /* generation: its driver runs */
	RF_DEV_FAILED,       /* value: exit code; text said why in the log. The end */
	RF_DEV_UNRESPONSIVE, /* generation, value, at_ns: RF_SVC_UNRESPONSIVE, passed on */
	RF_DEV_OTHER,        /* disk: it is not the one that it has to be, and is not touched */
	RF_DEV_ADOPTED,      /* answer to ADOPT. up, value as asked; downs; info or net, queues.
	                     What is still to be done is said again after it */
	/* supervisor -> device */
	RF_DEV_DRIVER,  /* generation: spawned; fds: its pidfd */
	RF_DEV_GIVE_UP, /* quarantine: no more drivers; fail what waits */
	RF_DEV_STOP,    /* silence the device and end */
	RF_DEV_EXPORT,  /* a new export was started; fds: the socket to it */
	RF_DEV_PING,    /* value: goes into the statistics, and on to the export */
	/* value: this is another supervisor, which knows nothing of what was said */
	RF_DEV_ADOPT,
	/* keeper -> device, in the supervisor's place */
	RF_DEV_ENDING, /* generation: its driver is at its last stop and executes nothing more; the
	                     pidfd will say when it is dead */
};
/* KILL: why. */
enum rf_kill {
	RF_KILL_PROTO = 1, /* its export saw a violation */
	RF_KILL_STALLED,  /* a request is older than allowed, or its device is not as it was left */
	RF_KILL_STORM,     /* its device interrupts without end */
	RF_KILL_HANDOVER,  /* its export died, and requests with it */
	RF_KILL_RESET,     /* another queue's driver died, and the whole device is to be reset */
};

enum rf_want_fd {
	RF_WANT_NO_FD,
	RF_WANT_OUR_FD,   /* the supervisor's eventfd, which is RF_DEVICE_FD_DEVICE here */
	RF_WANT_LAST_FD,  /* the last fd of this message: an eventfd of the device server's */
};

struct rf_dev_msg {
	uint32_t type;
	uint32_t generation;
	uint32_t value;
	uint32_t device_fd; /* WANT: what the driver has as RF_FD_DEVICE, enum rf_want_fd */
	uint64_t at_ns;     /* UNRESPONSIVE; ENDING: when it was seen at that stop */
	uint64_t downs[RF_MAX_QUEUES]; /* ADOPTED: DOWNs this process has told, by queue */
	uint32_t up[RF_MAX_QUEUES];    /* ADOPTED: the drivers that run, by queue; 0: none */
	uint32_t queues;    /* READY, ADOPTED: those that are used */
	uint32_t reserved;
	struct rf_blk_info info; /* block service */
	struct rf_net_info net;  /* net service */
	struct rf_identity disk; /* block service */
};

#endif
