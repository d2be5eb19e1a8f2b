/* SPDX-License-Identifier: MIT */
/*
 * deaths.h - a driver's end in words, and as a line of RUNDIR/deaths.jsonl.
 *
 * Room:   sandbox/supervisor, no privilege. What it prints are numbers of the keeper; no
 *         byte of a driver's memory is among them.
 */
#ifndef RF_DEATHS_H
#define RF_DEATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper.h"

/* "disk0" and what RF_KEEP_EXITED said of its driver. The line is longer than a name. */
void rf_death_words(const struct rf_keep_msg *, char *text, size_t room);
void rf_death_json(const struct rf_keep_msg *, const char *device, uint32_t queue, char *text,
		   size_t room);

/* Did the image of this driver ever run? False: its launcher gave up. */
bool rf_death_ran(const struct rf_keep_msg *);

#endif
