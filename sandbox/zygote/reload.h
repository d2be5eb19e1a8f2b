/* SPDX-License-Identifier: MIT */
/*
 * reload.h - the configuration that runs, and the file read anew for another one.
 *
 * Room:   sandbox/zygote, root.
 * How:    a fork of the zygote reads the file, as is done at the start (config_load.h), while the
 *         zygote goes on: the file may be slow. What it makes of both configurations (merge.h) it
 *         hands to the zygote, in sealed memory, and ends with 0. The zygote takes that before it
 *         starts the next broker, and nobody else has a say in it: not the keeper, who asked for
 *         it, nor the supervisor, who asked the keeper.
 */
#ifndef RF_RELOAD_H
#define RF_RELOAD_H

#include "zygote.h"

extern int rf_zygote_config;        /* sealed memfd: what brokers and supervisors get */
extern const char *rf_zygote_file;  /* where it was read; NULL: it cannot be read anew */

/*
 * Starts the fork, a child of our parent, which logs to `log` if that is not -1: it is a pipe, and
 * stays the caller's. Its exit code: 0, or why nothing is changed after a line in that log. 0;
 * -ENOTSUP: there is no file; -EINVAL: `log` is no pipe; else -errno. One runs at a time: that is
 * the keeper's business, which has one name for it.
 */
int rf_reload_begin(int log, struct rf_spawned *run);

/* Takes what it read, if it did. */
void rf_reload_take(void);

#endif
