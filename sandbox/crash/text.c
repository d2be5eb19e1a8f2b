/* SPDX-License-Identifier: MIT */
/* text.c - text that is cut rather than overflown. See crash_report.h. Room: sandbox/crash. */
#include <stdarg.h>
#include <stdio.h>

#include "crash_report.h"

void text_add(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->at + t->used, sizeof(t->at) - t->used, fmt, args);
	va_end(args);
	t->used += n > 0 ? (size_t)n : 0;
	if (t->used >= sizeof(t->at))
		t->used = sizeof(t->at) - 1;
}

void text_add_string(struct text *t, const char *s)
{
	text_add(t, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			text_add(t, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
			text_add(t, "?");
		else
			text_add(t, "%c", *s);
	}
	text_add(t, "\"");
}
