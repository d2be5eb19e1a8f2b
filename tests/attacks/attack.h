/* SPDX-License-Identifier: MIT */
/*
 * attack.h - one row of the attack matrix, and what its runners share.
 *
 * Room:   tests/attacks. Plays the keeper: spawns each hostile driver by the keeper's own
 *         spawn.c, with every wall, and again with walls left out.
 * Kinds:  ALONE: the wall of the row stands by itself; everything else that would stop
 *         this attack too is left out. CONTROL: this wall is left out as well.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "launch_fixture.h"
#include "spawn.h"
#include "trace.h"
#include "zygote_client.h"
#include "walls.h"

enum mode { SHIPPED, ALONE, CONTROL, MODES };

enum outcome {
	STOPPED,
	THROUGH,
	BROKEN,    /* the harness saw neither: counts as an escape in SHIPPED and ALONE */
	NOT_SHOWN, /* a control nobody can run here; says why */
};

/* The page of tests/fault/evil.h. */
struct evil_page {
	volatile uint64_t stage;
	volatile int64_t value;
};
enum { EVIL_NOT_BEGUN, EVIL_BEGAN, EVIL_REFUSED, EVIL_THROUGH };

struct attack;

/* One hostile process. */
struct target {
	struct launching l;
	struct rf_spawned run;
	struct rf_exit_info exit_info;
	struct evil_page *page;
	int page_fd, program;
	uint64_t param[4];
	const char *group; /* its control group, NULL: that of all */
	bool ended, stopped;
	int status;
	uint64_t kicks;
	char log[512];
};

typedef enum outcome attack_fn(const struct attack *, enum mode, char *what);

struct attack {
	const char *name, *category, *image;
	int wall;               /* enum rf_wall, or -1: `stops` says it */
	uint64_t others;        /* walls that would stop it too */
	const char *stops;      /* what stops it, where it is no wall of walls.h */
	attack_fn *run;         /* NULL: attack_process() */
	const char *no_control; /* why there is none */
	uint64_t arg;           /* for run() */
	bool quick;             /* part of make check */
	bool grouped;           /* only with --rows: in the guest, which has control groups */
};

#define OFF(wall) RF_WALL_BIT(RF_WALL_##wall)
#define WHAT      200

/* Without image checks, and without the hole below the stack. */
#define LAX_LAUNCHER "build/lax/bin/unchecked/rf-launch"

/* Walls left out in this mode. */
uint64_t attack_off(const struct attack *, enum mode);

/* target.c: from set-up to the end of the process. */
void target_init(struct target *, const char *image);
int target_spawn(struct target *, uint64_t off);
/* Waits until it ended, stopped, or said a last stage; kills it after `ms`. */
void target_wait(struct target *, int ms);
void target_end(struct target *);
/* Serves ptrace stops and reaps, once. */
void target_look(struct target *);
enum outcome target_judge(struct target *, char *what);

attack_fn attack_process;
/* The same with a target that was given its parameters. */
enum outcome attack_go(const struct attack *, enum mode, struct target *, char *what);
enum outcome attack_not_shown(char *what, const char *why);

/* A process of the driver's own user, for signals and for looking in. */
#define ATTACK_UID 2000100000u
pid_t neighbour(void);
void neighbour_end(pid_t);

/* Number of walls that stand around a driver here; one line each. */
unsigned attack_walls(bool print);

extern const struct attack attacks_calls[], attacks_reach[], attacks_memory[], attacks_life[],
    attacks_bombs[], attacks_image[], attacks_ring[], attacks_net[], attacks_peer[];

#endif
