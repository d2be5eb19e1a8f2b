/* SPDX-License-Identifier: MIT */
/*
 * rig.h - the ringfence under test, as it is seen from outside: its word for what runs, and
 * the model of its device.
 *
 * Room:   tests/campaign.
 */
#ifndef CAMPAIGN_RIG_H
#define CAMPAIGN_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The device that is attacked, and the other one, in one status. */
struct seen {
	bool     running, quarantined;
	uint32_t generation;
	pid_t    driver, standby, device, export;
	uint64_t deaths, standby_deaths, process_deaths, crashes, hangs, stalls, lies, failed;
	struct {
		pid_t    driver, device, export;
		uint64_t deaths, process_deaths, failed, completed;
	} other;
};

/* RF_CONTROL in the environment says where ringfence answers. It ends this program if nobody
 * does: a supervisor that is gone is an escape. */
struct seen rig_look(void);
void        rig_restart(void);

/* The model's control socket. */
int  rig_model_open(const char *path);
/* 0 if it said ok. */
int  rig_model_tell(int fd, const char *command);
/* How often its fault `name` has struck. */
uint64_t rig_model_struck(int fd, const char *name);

uint64_t rig_now_us(void);

#endif
