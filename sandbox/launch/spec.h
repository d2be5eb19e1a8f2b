/* SPDX-License-Identifier: MIT */
/*
 * spec.h - reads the page the launcher obeys and checks every field of it.
 *
 * Room:   sandbox/launch, trusted.
 */
#ifndef RF_SPEC_H
#define RF_SPEC_H

#include "launch.h"

/* NULL, or what is wrong with the copy. */
const char *rf_spec_check(const struct rf_launch *spec);

#endif
