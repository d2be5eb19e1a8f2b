/* SPDX-License-Identifier: MIT */
/* text.c - text that is cut rather than overflown. See scribe.h. Room: sandbox/crash. */
#include <stdarg.h>
#include <stdio.h>

#include "scribe.h"

void say(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->at + t->used, sizeof(t->at) - t->used, fmt, args);
	va_end(args);
	t->used += n > 0 ? (size_t)n : 0;
	if (t->used >= sizeof(t->at))
		t->used = sizeof(t->at) - 1;
}

void say_string(struct text *t, const char *s)
{
	say(t, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			say(t, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
			say(t, "?");
		else
			say(t, "%c", *s);
	}
	say(t, "\"");
}
