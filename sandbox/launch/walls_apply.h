/* SPDX-License-Identifier: MIT */
/*
 * walls_apply.h - the walls the launcher puts up by itself, before trampoline and lock.
 *
 * Room:   sandbox/launch, trusted. A kernel may lack Landlock or MDWE: that is
 *         reported, and refused where the policy demands it. What every kernel has
 *         ends the launch if it fails.
 */
#ifndef RF_WALLS_APPLY_H
#define RF_WALLS_APPLY_H

#include <stdint.h>

#include "walls.h"

/* First thing: no privileges, none to be had, nobody looks in, no file reached. */
void rf_walls_apply_first(struct rf_wall_report *report);

/* Last thing before the trampoline: nothing may grow any more. */
void rf_walls_apply_limits(struct rf_wall_report *report);

/* Ends the launch unless all of `demanded` stands; then tells the keeper, if it asked. */
void rf_walls_apply_report(struct rf_wall_report *report, uint64_t stand, uint64_t demanded);

#endif
