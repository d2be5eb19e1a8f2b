/* SPDX-License-Identifier: MIT */
/*
 * interface.h - the interface a TAP export serves: made, named, given its owner with privilege;
 * frames are moved by rf-tap, which has none.
 *
 * Room:   sandbox/broker, root behind a list; used by the broker only. Nothing is read from the
 *         interface here.
 * Stays:  the interface is persistent: addresses and routes the operator gave it survive
 *         drivers, exports and ringfence itself.
 */
#ifndef RF_INTERFACE_H
#define RF_INTERFACE_H

#include <stdint.h>

#include "config.h"

/* 0 or an exit code after a line. */
int rf_tap_open(const struct rf_config_device *, int *out);
int rf_tap_configure(const struct rf_config_device *, uint16_t mtu, const uint8_t mac[6]);

#endif
