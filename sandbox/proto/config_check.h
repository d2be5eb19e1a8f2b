/* SPDX-License-Identifier: MIT */
/*
 * config_check.h - is a configuration record one that can be believed?
 *
 * Room:   sandbox/proto. Asked by keeper and broker, who get it from others.
 */
#ifndef RF_CONFIG_CHECK_H
#define RF_CONFIG_CHECK_H

#include <stdbool.h>

#include "config.h"

/* Is every string ended and of its form, every count, index and choice in range? NULL, or what
 * is not. There is memory for as many devices as it says: rf_config_map(). */
const char *rf_config_wrong(const struct rf_config *);

/* Can an interface have this name? */
bool rf_interface_good(const char *name);

#endif
