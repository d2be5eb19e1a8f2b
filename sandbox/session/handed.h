/* SPDX-License-Identifier: MIT */
/*
 * handed.h - what an export was handed over by fd number: see enum rf_export_fd.
 *
 * Room:   sandbox/session, trusted. What returns something is used before the lock: 0, or
 *         -errno after one line in the log.
 */
#ifndef RF_HANDED_H
#define RF_HANDED_H

#include <stdint.h>

#include "export.h"

/* `bytes` of the fd, which must have them, mapped; the address goes to *(void **)out. */
int rf_handed_map(int fd, const char *what, uint64_t bytes, int prot, void *out);
/* A copy of the configuration; names in it end. */
int rf_handed_config(int fd, struct rf_export_config *);
/* The kick eventfd: a driver that reads it empty must not be able to stop us. */
int rf_handed_kick(int fd);

/*
 * To the device process, which may be stopped or busy with its device: an export does not wait
 * for it. A message it has no room for is kept in *untold, the newest of them, for the next
 * tick; SILENT is said again in any case.
 */
void rf_svc_tell(int control, const struct rf_svc_msg *, struct rf_svc_msg *untold);
void rf_svc_tell_again(int control, struct rf_svc_msg *untold);

#endif
