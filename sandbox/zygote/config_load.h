/* SPDX-License-Identifier: MIT */
/*
 * config_load.h - the operator's configuration, read by a process that may do nothing else.
 *
 * Room:   sandbox/zygote, root.
 */
#ifndef RF_CONFIG_LOAD_H
#define RF_CONFIG_LOAD_H

#include "config.h"

/* Runs rf-config on the file and checks what it answers. 0, or an exit code after a line. The
 * record is the caller's, from malloc(). */
int rf_config_load(const char *file, struct rf_config **);

/* A copy of the record in a memfd that nobody can change. The fd, or -errno. */
int rf_config_seal(const struct rf_config *);

/* May a process have as many files open as these devices need? 0, or an exit code after a line. */
int rf_config_files_allowed(const struct rf_config *);

#endif
