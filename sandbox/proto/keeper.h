/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - what the supervisor asks of the keeper.
 *
 * Room:   sandbox/proto. The keeper is the parent and reaper of every process and holds fds by
 *         name, so that any other process may die and its successor finds them again: the
 *         supervisor too. It decides nothing.
 * Wire:   SOCK_SEQPACKET; one struct rf_keep_msg a packet, fds with it. Every request is answered
 *         by RF_KEEP_REPLY; RF_KEEP_EXITED and RF_KEEP_STOP come unasked, between answers.
 * Writes: the supervisor asks; the keeper answers, and tells of ends.
 * Reads:  both.
 * Believed: names and counts as far as they fit. What is to run, and as whom, is checked by the
 *         zygote (zygote.h): a supervisor that was taken over gets nothing started as root.
 */
#ifndef RF_KEEPER_H
#define RF_KEEPER_H

#include <stdint.h>

#include "config.h"
#include "crash.h"
#include "packet.h"
#include "walls.h"

#define RF_KEEP_NAME  48
#define RF_KEEP_SLOTS (80 * RF_MAX_DEVICES) /* most names (fds and processes) held */
#define RF_KEEP_EVENTS 32 /* most EXITED told that are not acknowledged */
#define RF_KEEP_LOADER "reload" /* name of the process of RELOAD */

/* A driver's end, as far as it could be seen. */
struct rf_exit_info {
	uint32_t seen; /* enum rf_seen bits */
	uint32_t arch; /* AUDIT_ARCH_* of the system call */
	int64_t call;  /* RF_SEEN_END: system call it was in, -1: none */
	uint64_t args[6];
	uint64_t ip;      /* behind the system call; of the fault */
	int32_t signal;   /* RF_SEEN_SIGNAL: the one that came */
	int32_t code;     /* si_code */
	uint64_t address; /* si_addr of a fault, or the sender's pid */
	/* All of its registers, and what lay at its stack pointer: for its bundle. */
	uint64_t regs[RF_DEATH_REGS], stack[RF_DEATH_STACK];
	uint32_t stack_words;
};

enum rf_seen {
	RF_SEEN_END = 1,    /* it stopped at its exit: call, args and ip hold */
	RF_SEEN_SIGNAL = 2, /* a signal came before: signal, code, address and ip hold */
};

/* The system call of a verdict, "unknown" if it has no name. */
const char *rf_call_name(const struct rf_exit_info *);

enum rf_keep_type {
	RF_KEEP_STORE = 1, /* hold the fd under `name`, replacing an older one */
	RF_KEEP_RETRIEVE,  /* reply carries the fd; error -ENOENT */
	RF_KEEP_DELETE,    /* forget every name that begins with `name` */
	RF_KEEP_SPAWN,     /* run fds[0] as `name`; reply: pid, and its pidfd */
	RF_KEEP_KILL,      /* SIGKILL the process `name`; -ENOENT if there is none */
	RF_KEEP_WALLS,     /* reply: walls around the driver `name` */
	RF_KEEP_LIST,      /* reply: name and pid of the first process whose number is `at` or more,
	                    and `at`, one more than that; status 1: it is dead, and its end is not
	                    dealt with; error -ENOENT: there is none */
	RF_KEEP_ACK_EXIT, /* the end of process `name`, `pid`, is dealt with */
	RF_KEEP_PONG,     /* answer to PING */
	RF_KEEP_REPLY,
	RF_KEEP_EXITED,  /* process `name` was reaped: pid, status as of waitpid(2); of a driver
	                    its walls and verdict. Told again to the next supervisor unless it was
	                    acknowledged, or one of its name spawned */
	/* is the supervisor at work? One that does not say so for a minute is killed */
	RF_KEEP_PING,
	RF_KEEP_STOP,    /* a person asked for the end (SIGTERM, SIGINT), */
	RF_KEEP_HANGUP,  /* or for the configuration to be read anew (SIGHUP) */
	/* Reads it anew, in a process RF_KEEP_LOADER, whose log is fds[0], a pipe, if one is
	 * given; reply: pid. Its end tells whether it was taken: 0, or an exit code. */
	RF_KEEP_RELOAD,
	RF_KEEP_RENEW,   /* replaces the supervisor, so that it has what the loader read */
};

enum rf_fence {
	RF_FENCE_NONE,
	RF_FENCE_ROOT,   /* of a root keeper: an empty root, namespaces if there are any yet */
	RF_FENCE_DRIVER, /* every wall of walls.h that the keeper's child puts up */
	RF_FENCE_OWN,    /* the zygote's only: broker, or supervisor with /proc for its root */
};

/* Fds supervisor and broker start with, besides their log (2). */
enum rf_own_fd {
	RF_OWN_FD_ABOVE = 3, /* socket: the supervisor's keeper, the broker's supervisor */
	RF_OWN_FD_CONFIG,    /* memfd with struct rf_config */
	RF_OWN_FD_BROKER,    /* the supervisor's */
};

/* SPAWN: the child gets fds[i] as number target[i], for i >= 1, and nothing else. */
struct rf_keep_spawn {
	uint32_t uid, gid;    /* ~0: stay */
	uint64_t memlock;     /* RLIMIT_MEMLOCK, bytes */
	uint64_t nofile;      /* RLIMIT_NOFILE */
	uint32_t fence;       /* enum rf_fence */
	uint32_t realtime;    /* it may go before whoever keeps the processors busy */
	int32_t  target[RF_PACKET_FDS];
	uint64_t demand;      /* driver: RF_WALL_BIT()s without which it must not run */
	char     group[32];   /* driver: name of its control group. RF_FENCE_OWN: its verb */
	/* driver: the held socket that hears (RF_DEV_ENDING) of its */
	char     notify[RF_KEEP_NAME];
	uint32_t generation;           /* last stop, under this number; "": nobody does */
	char     argv0[32];
};

struct rf_keep_msg {
	uint32_t type; /* enum rf_keep_type */
	int32_t  error;
	int32_t  pid;
	int32_t  status;
	uint32_t at;                   /* LIST */
	char     name[RF_KEEP_NAME];
	uint64_t time_ns;              /* EXITED: when, CLOCK_REALTIME */
	struct rf_keep_spawn spawn;    /* SPAWN */
	struct rf_wall_report walls;   /* EXITED, reply to WALLS */
	struct rf_exit_info exit_info; /* EXITED */
};

/* The zygote's whole life, in a process that the keeper forks for it: it does not return. */
typedef void rf_zygote_life(int keeper);

/* The keeper's whole life: has a supervisor started, serves it, reaps. Returns the exit code of
 * `ringfence run`. */
int rf_keeper_main(rf_zygote_life *);

#endif
