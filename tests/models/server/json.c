/* SPDX-License-Identifier: MIT */
/*
 * json.c - just enough JSON (RFC 8259) to look up what a client says it can do.
 *
 * Room:   tests/models/server.
 * Trust:  none in the text but its NUL. Depth is bounded, nothing is allocated.
 */
#include <string.h>

#include "internal.h"

#define DEPTH 16

static const char *space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* Behind a string whose opening quote is at p, or NULL. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if ((unsigned char)*p < 0x20 || (*p == '\\' && !*++p))
			return NULL;
	return *p == '"' ? p + 1 : NULL;
}

static const char *skip_word(const char *p, const char *word)
{
	size_t n = strlen(word);

	return strncmp(p, word, n) ? NULL : p + n;
}

static const char *skip_digits(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return n ? p + n : NULL;
}

static const char *skip_number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : skip_digits(p);
	if (p && *p == '.')
		p = skip_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p = skip_digits(p + (*p == '+' || *p == '-'));
	}
	return p;
}

/* Behind the value at p, or NULL. With `key`: *found is the value of that key, if the
 * value is an object that has it. */
static const char *skip_value(const char *p, int depth, const char *key, size_t key_length,
			      const char **found)
{
	char open = *p;

	if (open == '"')
		return skip_string(p);
	if (open == 't')
		return skip_word(p, "true");
	if (open == 'f')
		return skip_word(p, "false");
	if (open == 'n')
		return skip_word(p, "null");
	if (open != '{' && open != '[')
		return skip_number(p);
	if (depth == DEPTH)
		return NULL;
	char close = open == '{' ? '}' : ']';
	p = space(p + 1);
	if (*p == close)
		return p + 1;
	for (;;) {
		if (open == '{') {
			const char *name = p;
			if (*p != '"' || !(p = skip_string(p)))
				return NULL;
			bool match = key && (size_t)(p - name) == key_length + 2 &&
				     !memcmp(name + 1, key, key_length);
			p = space(p);
			if (*p++ != ':')
				return NULL;
			p = space(p);
			if (match)
				*found = p;
		}
		if (!(p = skip_value(p, depth + 1, NULL, 0, NULL)))
			return NULL;
		p = space(p);
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
		p = space(p);
	}
}

bool json_valid_object(const char *text)
{
	const char *p = space(text);

	return *p == '{' && (p = skip_value(p, 0, NULL, 0, NULL)) && !*space(p);
}

static const char *lookup(const char *text, const char *path)
{
	const char *p = space(text);

	for (;;) {
		size_t      n = strcspn(path, ".");
		const char *found = NULL;
		if (*p != '{' || !skip_value(p, 0, path, n, &found) || !found)
			return NULL;
		p = found;
		if (!path[n])
			return p;
		path += n + 1;
	}
}

enum json_kind json_kind(const char *text, const char *path)
{
	const char *p = lookup(text, path);
	uint64_t ignored;

	if (!p)
		return JSON_NONE;
	if (*p == '{')
		return JSON_OBJECT;
	if (*p == 't' || *p == 'f')
		return JSON_BOOL;
	return json_number(text, path, &ignored) ? JSON_NUMBER : JSON_OTHER;
}

bool json_bool(const char *text, const char *path)
{
	const char *p = lookup(text, path);

	return p && skip_word(p, "true");
}

bool json_number(const char *text, const char *path, uint64_t *out)
{
	const char *p = lookup(text, path), *end = p ? skip_number(p) : NULL;
	uint64_t n = 0;

	if (!end)
		return false;
	for (; p < end; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	*out = n;
	return true;
}
