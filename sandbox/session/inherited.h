/* SPDX-License-Identifier: MIT */
/*
 * inherited.h - what an export was handed over by fd number: see enum rf_export_fd.
 *
 * Room:   sandbox/session, trusted. What returns something is used before the lock: 0, or
 *         -errno after one line in the log.
 */
#ifndef RF_INHERITED_H
#define RF_INHERITED_H

#include <stdint.h>

#include "export.h"
#include "export_config.h"

/* `bytes` of the fd, which must have them, mapped; the address goes to *(void **)out. */
int rf_inherited_map(int fd, const char *what, uint64_t bytes, int prot, void *out);
/* A copy of the configuration; names in it end. */
int rf_inherited_config(int fd, struct rf_export_config *);
/* The kick eventfd: a driver that reads it empty must not be able to stop us. */
int rf_inherited_kick(int fd);

#endif
