/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. Room: sandbox/device/vfio_user. */
#include "json.h"

#include <string.h>

static const char *skip_value(const char *p, const char *end, int depth);

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Each returns what follows, or NULL if this is not one. */
static const char *skip_word(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && !memcmp(p, word, n) ? p + n : NULL;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *skip_string(const char *p, const char *end)
{
	if (p >= end || *p++ != '"')
		return NULL;
	for (; p < end && *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		if (++p == end || !strchr("\"\\/bfnrtu", *p) || !*p)
			return NULL;
		for (int i = 0; *p == 'u' && i < 4; i++)
			if (end - p <= 4 || !is_hex(p[1 + i]))
				return NULL;
		if (*p == 'u')
			p += 4;
	}
	return p < end ? p + 1 : NULL;
}

static const char *skip_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

static const char *skip_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = skip_digits(p, end);
	if (p && p < end && *p == '.')
		p = skip_digits(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	return p;
}

/* An object or array, from its bracket on. */
static const char *skip_list(const char *p, const char *end, int depth)
{
	bool object = *p == '{';
	char close = object ? '}' : ']';

	p = skip_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		if (object) {
			p = skip_string(skip_space(p, end), end);
			if (!p || (p = skip_space(p, end)) == end || *p++ != ':')
				return NULL;
		}
		p = skip_value(skip_space(p, end), end, depth + 1);
		if (!p || (p = skip_space(p, end)) == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static const char *skip_value(const char *p, const char *end, int depth)
{
	if (p >= end || depth > JSON_DEPTH)
		return NULL;
	switch (*p) {
	case '{':
	case '[':
		return skip_list(p, end, depth);
	case '"':
		return skip_string(p, end);
	case 't':
		return skip_word(p, end, "true");
	case 'f':
		return skip_word(p, end, "false");
	case 'n':
		return skip_word(p, end, "null");
	}
	return skip_number(p, end);
}

bool json_parse(const char *text, size_t bytes, struct json *value)
{
	const char *end = text + bytes, *at = skip_space(text, end);
	const char *after = skip_value(at, end, 0);

	*value = (struct json){ 0 };
	if (!after || skip_space(after, end) != end)
		return false;
	*value = (struct json){ at, after };
	return true;
}

/* The text is known to be JSON: nothing below can run out of it. */
struct json json_member(struct json object, const char *name)
{
	size_t n = strlen(name);

	if (!object.at || *object.at != '{')
		return (struct json){ 0 };
	const char *p = skip_space(object.at + 1, object.end);
	while (p && *p == '"') {
		const char *key = p + 1, *key_end = skip_string(p, object.end);
		p = skip_space(skip_space(key_end, object.end) + 1, object.end);
		const char *after = skip_value(p, object.end, 0);
		if ((size_t)(key_end - 1 - key) == n && !memcmp(key, name, n))
			return (struct json){ p, after };
		p = skip_space(after, object.end);
		p = *p == ',' ? skip_space(p + 1, object.end) : NULL;
	}
	return (struct json){ 0 };
}

bool json_object(struct json v)
{
	return v.at && *v.at == '{';
}

bool json_true(struct json v)
{
	return v.at && v.end - v.at == 4 && !memcmp(v.at, "true", 4);
}

bool json_false(struct json v)
{
	return v.at && v.end - v.at == 5 && !memcmp(v.at, "false", 5);
}

bool json_number(struct json v, uint64_t *out)
{
	uint64_t n = 0;

	if (!v.at)
		return false;
	for (const char *p = v.at; p < v.end; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	*out = n;
	return true;
}
