/* SPDX-License-Identifier: MIT */
/*
 * death_file.h - the file RUNDIR/deaths.jsonl, opened for the supervisor, which appends to it.
 *
 * Room:   sandbox/broker, root behind a list.
 */
#ifndef RF_DEATH_FILE_H
#define RF_DEATH_FILE_H

#include "broker.h" /* RF_DEATHS_MOST */
#include "crash.h"

/* DIR/deaths.jsonl, to append lines to; of it and the one before, deaths.jsonl.1,
 * RF_DEATHS_MOST bytes stay: one of half as many is put aside. -1 after a line in the log. */
int rf_death_file(const char *dir);

#endif
