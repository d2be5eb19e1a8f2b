/* SPDX-License-Identifier: MIT */
/* namespace.c - see namespace.h. Room: sandbox/proto. */
#include "namespace.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* -1: it is none. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The highest ids are not a namespace's (Base 3.2.1.4). */
static bool namespace_id(const char *text, uint32_t *id)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9' && value < 1ull << 32; text++)
		value = 10 * value + (uint64_t)(*text - '0');
	*id = (uint32_t)value;
	return !*text && value >= 1 && value < 0xfffffffe;
}

/* So many bytes, with a dash before the digits of each of `dashes` (a bit each). */
static bool name(const char *text, uint32_t dashes, unsigned bytes, uint8_t *to)
{
	for (unsigned i = 0; i < bytes; i++) {
		if (dashes & 1u << i && *text++ != '-')
			return false;
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return !*text;
}

int rf_namespace_parse(const char *text, struct rf_namespace *n)
{
	*n = (struct rf_namespace){ .kind = RF_NAMESPACE_FIRST };
	if (!*text)
		return 0;
	const char *dot = strchr(text, '.'), *digits = dot ? dot + 1 : text;
	bool eui = !dot || !strncmp(text, "eui.", 4), uuid = !dot || !strncmp(text, "uuid.", 5);

	if (!dot && strlen(text) <= 10 && namespace_id(text, &n->id))
		n->kind = RF_NAMESPACE_ID;
	else if (eui && name(digits, 0, 8, n->name))
		n->kind = RF_NAMESPACE_EUI64;
	else if (eui && name(digits, 0, 16, n->name))
		n->kind = RF_NAMESPACE_NGUID;
	else if (uuid && name(digits, 1u << 4 | 1u << 6 | 1u << 8 | 1u << 10, 16, n->name))
		n->kind = RF_NAMESPACE_UUID;
	else
		return -EINVAL;
	return 0;
}
