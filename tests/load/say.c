/* SPDX-License-Identifier: MIT */
/* say.c - see say.h. Room: tests/load. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void line_write(const char *fmt, va_list args)
{
	char line[300];
	int at = snprintf(line, sizeof(line), "%s: ", load_name);
	int most = (int)sizeof(line) - 2;
	int n = at + vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, args);

	n = n < most ? n : most;
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

void load_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_write(fmt, args);
	va_end(args);
}

void load_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_write(fmt, args);
	va_end(args);
	exit(LOAD_EXIT);
}
