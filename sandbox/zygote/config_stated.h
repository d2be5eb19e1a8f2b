/* SPDX-License-Identifier: MIT */
/*
 * config_stated.h - does the operator's file say so? Asked before root acts on a name that
 * rf-config hands over.
 *
 * Room:   sandbox/zygote, root. It compares words and understands none: who can make
 *         rf-config say anything can only have it say what stands in the file.
 */
#ifndef RF_CONFIG_STATED_H
#define RF_CONFIG_STATED_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct rf_config_text {
	const char *text; /* the configuration file */
	size_t bytes;
	const char *file; /* its name */
	const struct rf_config *defaults;
};

/* Lines of the file that begin a device; RF_MAX_DEVICES if there are more. */
int rf_config_devices(const struct rf_config_text *);

/* Names what in the answer stands neither in the file nor among the defaults; NULL: nothing. */
const char *rf_config_unstated(const struct rf_config_text *, const struct rf_config *);

/* May rf-config read this file? It may read files that the configuration names, policies by
 * their name, the list of users, and how much memory there is. */
bool rf_config_names_file(const struct rf_config_text *, const char *path);

#endif
