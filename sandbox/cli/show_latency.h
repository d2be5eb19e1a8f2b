/* SPDX-License-Identifier: MIT */
/*
 * show_latency.h - how long requests and recoveries of a device took, as text and as JSON.
 *
 * Room:   sandbox/cli. Of show.c.
 */
#ifndef RF_SHOW_LATENCY_H
#define RF_SHOW_LATENCY_H

#include <stdbool.h>
#include <stdio.h>

#include "stats.h"

/* Members of a JSON object, each after a comma; percentiles are at most 3.2 % too high. */
void show_latency_json(FILE *, const struct rf_stats_service *, bool disk);
/* One line, or none where nothing was counted. */
void show_latency(FILE *, const char *device, const struct rf_stats_service *);

#endif
