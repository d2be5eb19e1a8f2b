/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - the operator's configuration, read by a process that may do nothing else.
 *
 * Room:   sandbox/supervisor, privileged.
 */
#ifndef RF_FETCH_H
#define RF_FETCH_H

#include "config.h"

/* Runs rf-config on the file and checks what it answers. 0, or an exit code after a line. */
int rf_config_fetch(const char *file, struct rf_config *);

/* fetch_check.c: is every string ended and of its form, every count, index and choice in range?
 * NULL, or what is not. Asked by keeper and opener. */
const char *rf_config_wrong(const struct rf_config *);

/* Can an interface have this name? */
bool rf_interface_good(const char *name);

#endif
