/* SPDX-License-Identifier: MIT */
/*
 * merge.h - from the configuration that runs and the one that is to run, a record of both.
 *
 * Room:   sandbox/zygote, root. It compares, and opens nothing.
 * Same:   a device of the same name of which every word is the same. Its driver image, its
 *         programs and key files are not looked into.
 */
#ifndef RF_MERGE_H
#define RF_MERGE_H

#include <stdbool.h>

#include "config.h"

/*
 * The devices of `new`, and behind them those of `old` that are not there or not the same any more.
 * What `old` itself has of such is forgotten: these have ended. say: a line in the log for each
 * difference, and a last one. 0; or an exit code after a line: something is different that cannot
 * change while it runs, or there is no memory. *merged is the caller's, from malloc().
 */
int rf_config_merge(const struct rf_config *old, const struct rf_config *new, bool say,
		    struct rf_config **merged);

#endif
