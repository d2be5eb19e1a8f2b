/* SPDX-License-Identifier: MIT */
/*
 * json.h - looks values up in a small JSON text that somebody else wrote.
 *
 * Room:   sandbox/device/vfio_user, for the capabilities of a vfio-user server.
 * Trust:  none: the text may be anything. Nothing is allocated, nothing recurses deeper
 *         than JSON_DEPTH. Strict RFC 8259 otherwise; strings are compared as they are
 *         written, without undoing escapes.
 */
#ifndef RF_JSON_H
#define RF_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH 16

/* A value inside a text that json_parse() took; at NULL: there is none. */
struct json {
	const char *at, *end;
};

/* The whole text as one value. false: it is not JSON. */
bool json_parse(const char *text, size_t bytes, struct json *value);
/* Member of an object; none if this is no object or has no such member. */
struct json json_member(struct json object, const char *name);
/* true only for an object, the literal true or false, or a whole number from 0 to UINT64_MAX. */
bool json_object(struct json value);
bool json_true(struct json value);
bool json_false(struct json value);
bool json_number(struct json value, uint64_t *out);

#endif
