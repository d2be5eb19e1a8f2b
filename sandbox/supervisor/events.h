/* SPDX-License-Identifier: MIT */
/*
 * events.h - what happens to a device, and the actions that the table of lifecycle.c has of
 * other files.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#ifndef RF_EVENTS_H
#define RF_EVENTS_H

#include <stdbool.h>

#include "device_msg.h"
#include "keeper.h"
#include "supervisor.h"

enum event {
	EV_DUE, /* dev_due_ns() is over */
	/* its device process says */
	EV_READY,
	EV_ADOPTED,
	EV_WANT,
	EV_KILL,
	EV_UNRESPONSIVE,
	EV_DOWN,
	EV_UP,
	EV_FAILED,
	EV_OTHER,
	/* it is reaped, and its pid is forgotten */
	EV_DRIVER_DIED,
	EV_EXPORT_DIED,
	EV_STACK_DIED,
	EV_DEVICE_DIED,
	EV_RESTART, /* a person asks for it */
	EVENTS
};

/* What came with it. */
struct news {
	const struct rf_dev_msg  *said;
	int *fds, count;                 /* 0: taken */
	const struct rf_keep_msg *dead;
	bool dial;                       /* STACK_DIED: rf-dial, else rf-lwip */
};

typedef void action(struct sup *, struct dev *, struct news *);

/* revive.c */
action life_revive, life_device_died_starting, life_device_died, life_other;
/* Opens the device again, once every process that could touch the device or its rings is dead. */
bool life_can_reopen(const struct dev *);
/* Another disk is in its place, and a device process waits for that to end. */
bool life_other_waits(const struct dev *);

/* stopping.c */
/* Has the device start again once all of it has ended, within the policy's budget. */
void life_start_again(struct dev *);
/* A device server that worked once may come back: d->r.code says how it failed. */
void life_server_failed(struct dev *);
action life_one_less, life_stop, life_restart_later, life_restart, life_revive_now;

#endif
