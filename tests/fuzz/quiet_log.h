/* SPDX-License-Identifier: MIT */
/* quiet_log.h - a log that formats its lines and shows them to nobody. Room: tests/fuzz. */
#ifndef RF_FUZZ_QUIET_LOG_H
#define RF_FUZZ_QUIET_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

const char *rf_log_name = "fuzz";

void rf_log(const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

void rf_log_peer(const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

/* Our own bug, or lwIP's: a finding, with its line. */
void rf_die(int code, const char *fmt, ...)
{
	va_list args;

	(void)code;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

#endif
