/* SPDX-License-Identifier: MIT */
/*
 * show.h - what a supervisor answered, as text and as JSON.
 *
 * Room:   sandbox/cli: the command line. It runs with the rights of whoever types it,
 *         is no part of keeper or supervisor, and holds no device.
 */
#ifndef RF_SHOW_H
#define RF_SHOW_H

#include <stdio.h>

#include "control_socket.h"
#include "stats.h"

/* One device of an answer. */
struct shown {
	struct rf_snapshot s;
	const struct rf_stats_service *service; /* NULL: it is not open */
	const struct rf_stats_device  *device;
};

void show_table(FILE *, const struct shown *, int count);
void show_json(FILE *, const struct shown *, int count);
/* One line a recovery, oldest first: when the death was seen, by the wall clock; each step, in
 * nanoseconds of the monotonic clock, and in microseconds from there. */
void show_recoveries(FILE *, const struct shown *);

/*
 * Asks the supervisor at a control socket and prints its answer: `verb` is status,
 * status-json, recoveries, restart or stop. Exit code of `ringfence`.
 */
int client_ask(const char *path, const char *verb, const char *device, FILE *out);

/*
 * Crash bundles of a run directory: a line for each, oldest first; or the report of a device's
 * newest, or of the one of that number. Exit code of `ringfence`.
 */
int client_bundle(const char *run_dir, const char *device, const char *number, FILE *out);


/* Asks, unless an option says yes. 0: go on, `how` is "format", "adopt" or "reformat"; or an exit
 * code, RF_EXIT_USAGE without a line. */
int client_format(const char *file, const char *device, int count, char **options,
		  const char **how);

#endif
