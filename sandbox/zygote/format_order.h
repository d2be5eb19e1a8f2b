/* SPDX-License-Identifier: MIT */
/*
 * format_order.h - `ringfence format`: a configuration with one device left, to be formatted.
 *
 * Room:   sandbox/zygote, root.
 */
#ifndef RF_FORMAT_ORDER_H
#define RF_FORMAT_ORDER_H

#include "config.h"

/* `how`: "format", "adopt" or "reformat". 0, or an exit code after one line in the log. */
int rf_format_only(struct rf_config *, const char *file, const char *device, const char *how);
/* Turns the exit code of the run into the command's: a run that was stopped has formatted
 * nothing. */
int rf_format_code(int code);

#endif
