/* SPDX-License-Identifier: MIT */
/*
 * raise.h - the walls the launcher puts up by itself, before gate and lock.
 *
 * Room:   sandbox/launch, trusted. A kernel may lack Landlock or MDWE: that is
 *         reported, and refused where the policy demands it. What every kernel has
 *         ends the launch if it fails.
 */
#ifndef RF_RAISE_H
#define RF_RAISE_H

#include <stdint.h>

#include "walls.h"

/* First thing: no privileges, none to be had, nobody looks in, no file reached. */
void rf_raise_first(struct rf_wall_report *report);

/* Last thing before the gate: nothing may grow any more. */
void rf_raise_limits(struct rf_wall_report *report);

/* Ends the launch unless all of `demanded` stands; then tells the keeper, if it asked. */
void rf_raise_report(struct rf_wall_report *report, uint64_t stand, uint64_t demanded);

#endif
