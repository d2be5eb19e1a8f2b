/* SPDX-License-Identifier: MIT */
/* say.c - see say.h. Room: sandbox/launcher, trusted. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "launch.h"

static void say(const char *fmt, va_list args)
{
	char line[512] = "rf-launch: ";
	int  used = sizeof("rf-launch: ") - 1;
	int  more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);

	used += more > 0 ? more : 0;
	if (used > (int)sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	(void)!write(RF_LAUNCH_FD_LOG, line, (size_t)used);
}

void rf_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

_Noreturn void rf_quit(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	_exit(code);
}
