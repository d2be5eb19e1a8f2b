/* SPDX-License-Identifier: MIT */
/* launch_log.c - see launch_log.h. Room: sandbox/launch, trusted. */
#include "launch_log.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "launch.h"

#define WAIT_US 20000

static void nothing(int sig)
{
	(void)sig;
}

/* Writes the line; if nobody reads the log, an alarm ends the wait, so that the driver still
 * starts. */
static void line_write(const char *line, size_t bytes)
{
	const struct itimerval often = { .it_value.tv_usec = WAIT_US,
					 .it_interval.tv_usec = WAIT_US };
	struct sigaction wakes = { .sa_handler = nothing }, before;

	sigaction(SIGALRM, &wakes, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	(void)!write(RF_LAUNCH_FD_LOG, line, bytes);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	sigaction(SIGALRM, &before, NULL);
}

static void launch_log_line(const char *fmt, va_list args)
{
	char line[512] = "rf-launch: ";
	int  used = sizeof("rf-launch: ") - 1;
	int  more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);

	used += more > 0 ? more : 0;
	if (used > (int)sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	line_write(line, (size_t)used);
}

void rf_launch_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	launch_log_line(fmt, args);
	va_end(args);
}

_Noreturn void rf_launch_die(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	launch_log_line(fmt, args);
	va_end(args);
	_exit(code);
}
