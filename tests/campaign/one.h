/* SPDX-License-Identifier: MIT */
/*
 * one.h - one fault, from the moment it is planted to the verdict.
 *
 * Room:   tests/campaign.
 * Order:  requests run all the while. A fault that was not activated after FAULT_REQUESTS is
 *         taken back. One that was, and of which the driver did not die, ends with a plain
 *         kill: the next fault meets a driver that nobody touched. After each death all that
 *         was in flight must be answered, and all blocks are read and compared.
 */
#ifndef CAMPAIGN_ONE_H
#define CAMPAIGN_ONE_H

#include "client.h"
#include "plan.h"
#include "rig.h"
#include "target.h"

#define FAULT_REQUESTS 96u

/* How a fault ended, as the supervisor counted it. A driver may die more than once. */
enum outcome { NONE, REPORTED, CRASH, VIOLATION, HANG, STALL, REPLACED, OUTCOMES };
extern const char *const outcome_names[OUTCOMES];

struct verdict {
	uint64_t     activated;   /* times seen; 0: it never ran */
	enum outcome outcome;
	unsigned     kills;       /* ours: of who had lived through its fault, or was in the way */
	uint64_t     deaths;      /* of drivers, ours included */
	/* from planting to death; from there until its successor answered */
	uint64_t     detect_us, recovery_us;
	uint64_t     errors;      /* answers to the client that said so */
	uint64_t     wrong[WRONGS], wrongs;
	bool         lost;        /* recovered by hand only */
	char         escape[96];  /* who was harmed; empty: nobody */
};

struct inject {
	struct client client;
	struct plan   plan;
	struct seen   first;      /* the other device, as it was seen last */
	int           model;
	const char   *socket;
};

/* A driver is up, with a standby if that is asked for. False after 60 s. */
bool inject_ready(struct inject *, struct seen *, bool standby, uint32_t above);
/* Requests until so many more are answered: 0; 1: the driver died; -1: nothing moves. */
int  inject_pump(struct inject *, uint64_t answers, int pidfd, bool feed);
/* Of a driver that is dead: waits until all in flight, and as much as there is room for, is
 * answered. Microseconds, 0: that did not happen. */
uint64_t inject_recover(struct inject *);
void inject_one(struct inject *, const struct fault *, struct verdict *);

#endif
