/* SPDX-License-Identifier: MIT */
/*
 * slots.h - what the keeper holds: fds by name, and processes by name and pid.
 *
 * Room:   sandbox/keeper, two capabilities.
 * Memory: is mapped as it is needed, and kept for the next slots. How many there can be at once
 *         is up to RF_KEEP_SLOTS, and to the limit of open files.
 * Order:  processes stand in a list in the order of their start.
 */
#ifndef RF_SLOTS_H
#define RF_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper.h"
#include "zygote.h"

#define SLOT_BUCKETS 1024u

struct slot {
	char  name[RF_KEEP_NAME];
	int   fd;                   /* held fd; a process's pidfd */
	pid_t pid;                  /* 0: not a process */
	bool  dead;                 /* reaped, exit not acknowledged yet */
	bool  told;                 /* dead, and the supervisor was notified */
	int   status;               /* of the dead, */
	uint64_t time_ns;           /* when it was reaped, CLOCK_REALTIME */
	struct rf_spawned run;      /* of a process */
	char  notify[RF_KEEP_NAME]; /* of a driver: as in struct rf_keep_spawn */
	uint32_t generation;
	uint32_t number;            /* of a process: grows with every start */
	struct rf_exit_info *exit_info; /* of a driver, else NULL */
	struct slot *name_next, *pid_next; /* of the same bucket */
	struct slot *before, *behind;      /* processes */
};

struct slots {
	struct slot *by_name[SLOT_BUCKETS], *by_pid[SLOT_BUCKETS];
	struct slot *first, *last;  /* processes */
	unsigned count;             /* slots in use */
	unsigned told, untold;      /* of the dead: the supervisor was notified, or is to be */
	uint32_t number;            /* of the last process */
	void *free_slots, *free_infos;
};

struct slot *slot_find(const struct slots *, const char *name); /* NULL: there is none */
struct slot *slot_of(const struct slots *, pid_t);  /* its living process; NULL: none */
/* A new one of that name, which nobody has. NULL: there is no memory, or too many are held. */
struct slot *slot_new(struct slots *, const char *name);
/* It is a process from now on, by s->run. -ENOMEM: nothing was done. */
int slot_process(struct slots *, struct slot *);
void slot_dead(struct slots *, struct slot *);      /* it was reaped */
void slot_told(struct slots *, struct slot *, bool told);
void slot_free(struct slots *, struct slot *);      /* closes its fd */
/* Frees every slot, but of processes, whose name begins with `prefix`. */
void slots_drop(struct slots *, const char *prefix);

#endif
