/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - the operator's configuration, read by a process that may do nothing else.
 *
 * Room:   sandbox/zygote, root.
 */
#ifndef RF_FETCH_H
#define RF_FETCH_H

#include "config.h"

/* Runs rf-config on the file and checks what it answers. 0, or an exit code after a line. */
int rf_config_fetch(const char *file, struct rf_config *);

#endif
