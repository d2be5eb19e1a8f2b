/* SPDX-License-Identifier: MIT */
/*
 * identity.h - which disk it is: what tells it from another one of the same size.
 *
 * Room:   sandbox/proto. The device process finds it out, the supervisor keeps it and tells it to
 *         the next device process, the export keeps it beside what it promised.
 * Trust:  made of what a device says: told apart by it are disks that were mixed up, not devices
 *         that lie. Text, since it is shown and compared and nothing else: printable, ends in
 *         zeroes.
 */
#ifndef RF_IDENTITY_H
#define RF_IDENTITY_H

#include <stdbool.h>
#include <string.h>

/* Serial number, model and the longer of a namespace's two names, with words between them. */
#define RF_IDENTITY_BYTES 120u

struct rf_identity {
	char text[RF_IDENTITY_BYTES]; /* "": nobody has asked yet, or it is no disk */
};

static inline bool rf_identity_known(const struct rf_identity *i)
{
	return i->text[0] != '\0';
}

static inline const char *rf_identity_text(const struct rf_identity *i)
{
	return i->text[0] ? i->text : "one without a name";
}

static inline bool rf_identity_same(const struct rf_identity *a, const struct rf_identity *b)
{
	return !memcmp(a->text, b->text, sizeof(a->text));
}

/* Is it what identity_append() makes? A process that was taken over may say anything. */
static inline bool rf_identity_valid(const struct rf_identity *i)
{
	size_t n = strnlen(i->text, sizeof(i->text)), at = n;

	while (at < sizeof(i->text) && !i->text[at])
		at++;
	for (size_t k = 0; k < n; k++)
		if (i->text[k] < ' ' || i->text[k] > '~' || i->text[k] == '"' || i->text[k] == '\\')
			return false;
	return n < sizeof(i->text) && at == sizeof(i->text);
}

#endif
