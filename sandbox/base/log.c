/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. Room: sandbox/base, trusted. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *rf_log_name = "ringfence";

static void log_line(const char *fmt, va_list args)
{
	char line[1024];
	int  used = snprintf(line, sizeof(line), "%s: ", rf_log_name);
	int  more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);

	if (more < 0)
		more = 0;
	used += more;
	if (used > (int)sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	/* A log that nobody reads must not stop the process. */
	(void)!write(2, line, (size_t)used);
}

void rf_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args);
	va_end(args);
}

_Noreturn void rf_die(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args);
	va_end(args);
	_exit(code);
}
