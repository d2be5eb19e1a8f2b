/* SPDX-License-Identifier: MIT */
/*
 * namespace.h - which namespace of an NVMe controller is meant: its number, or one of its names.
 *
 * Room:   sandbox/proto.
 * Wire:   a word of ringfence.conf, in the record of config.h; and what it means, in the record of
 *         device_config.h.
 * Writes: the operator; rf-config passes the word on, the supervisor what it means.
 * Reads:  the zygote, which looks whether the file says so; the device process.
 * Believed: its form is checked with the record (config_check.h), the word against the file.
 * Form:   a decimal number from 1 (a namespace id); 16 hexadecimal digits (EUI-64), 32 (NGUID), or
 *         32 in groups of 8-4-4-4-12 (UUID); the names perhaps behind "eui." or "uuid.", as
 *         Linux writes them (/sys/block/NAME/wwid).
 */
#ifndef RF_NAMESPACE_H
#define RF_NAMESPACE_H

#include <stdint.h>

#define RF_NAMESPACE_TEXT 48 /* room of the word */

enum rf_namespace_kind {
	RF_NAMESPACE_FIRST, /* nothing was said: id 1 */
	RF_NAMESPACE_ID,
	RF_NAMESPACE_EUI64,
	RF_NAMESPACE_NGUID,
	RF_NAMESPACE_UUID,
};

struct rf_namespace {
	uint32_t kind;     /* enum rf_namespace_kind */
	uint32_t id;       /* RF_NAMESPACE_ID */
	uint8_t  name[16]; /* EUI-64: the first 8. In the order in which they are written */
};

/* "" is RF_NAMESPACE_FIRST. 0, or -EINVAL: it has none of these forms. */
int rf_namespace_parse(const char *text, struct rf_namespace *);

#endif
