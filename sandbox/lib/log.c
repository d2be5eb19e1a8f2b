/* SPDX-License-Identifier: MIT */
/* log.c - see log.h and bounded.h. Room: sandbox/lib, trusted. */
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bounded.h"

/* How long lines are dropped without a try after one that nobody read. */
#define LOG_DEAF_NS 1000000000ull
/* Time a line about a peer costs. */
#define LOG_PEER_NS 1000000000ull

const char *rf_log_name = "ringfence";

/* ---- writes that do not wait ------------------------------------------------------- */

static volatile sig_atomic_t alarm_armed, alarm_writing, alarm_used, alarm_last;

static void alarm_set(long us)
{
	const struct itimerval t = { .it_value.tv_usec = us, .it_interval.tv_usec = us };

	alarm_armed = us != 0;
	(void)setitimer(ITIMER_REAL, &t, NULL);
}

/* The signal only has to interrupt a write. */
static void on_alarm(int sig)
{
	int saved = errno;

	if (!alarm_armed && !alarm_last) { /* an alarm that is not ours: its default action holds */
		signal(sig, SIG_DFL);
		raise(sig);
	}
	/* one more signal may be pending */
	alarm_last = alarm_armed && !alarm_writing && !alarm_used;
	if (alarm_last)
		alarm_set(0);
	alarm_used = 0;
	errno = saved;
}

/* Done before main(), since a locked process cannot do it any more. SIGPIPE and SIGXFSZ are
 * ignored: a line must not end its process when the log's reader is gone or the file is full. */
static __attribute__((constructor)) void signals_answered(void)
{
	const struct sigaction a = { .sa_handler = on_alarm };

	(void)sigaction(SIGALRM, &a, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

ssize_t rf_bounded_write(int fd, const void *data, size_t bytes)
{
	alarm_writing = 1;
	if (!alarm_armed)
		alarm_set(RF_BOUNDED_US);
	ssize_t n = write(fd, data, bytes);
	int err = n < 0 ? errno : 0;
	alarm_used = 1;
	alarm_writing = 0;
	return err == EINTR ? -EAGAIN : err ? -err : n;
}

bool rf_bounded_kick(int fd)
{
	static const uint64_t one = 1;

	return rf_bounded_write(fd, &one, sizeof(one)) != -EAGAIN;
}

/* ---- lines ------------------------------------------------------------------------------ */

static unsigned log_dropped;      /* lines since the last one that was taken */
static uint64_t log_deaf_until_ns;
static unsigned log_left_out;     /* lines about peers, */
static uint64_t log_left_out_ns;  /* since then */
static uint64_t log_peer_ns;      /* each line about one costs a second of this clock */

static uint64_t log_clock_ns(void)
{
	return rf_clock_ns(CLOCK_MONOTONIC);
}

static bool log_line_taken(const char *line, size_t bytes)
{
	bool armed = alarm_armed;
	ssize_t n = rf_bounded_write(2, line, bytes);

	if (!armed) { /* lines are rare: the alarm is switched off behind each */
		alarm_last = 1;
		alarm_set(0);
	}
	if (n != -EAGAIN)
		return true;
	log_deaf_until_ns = log_clock_ns() + LOG_DEAF_NS;
	return false;
}

/* Logs how many lines are missing. The count is reset once that line was written. */
static void log_say_missing(unsigned *count, const char *why)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%s: %u lines are missing here: %s\n", rf_log_name,
			 *count, why);

	if (log_line_taken(line, (size_t)n))
		*count = 0;
}

void rf_log_catch_up(void)
{
	if (!log_dropped && !log_left_out)
		return;
	uint64_t now = log_clock_ns();
	if (log_dropped && now >= log_deaf_until_ns)
		log_say_missing(&log_dropped, "nobody read the log");
	if (log_left_out && !log_dropped && now - log_left_out_ns >= LOG_PEER_NS)
		log_say_missing(&log_left_out, "peers gave cause for too many");
}

static void log_line(const char *fmt, va_list args)
{
	char line[1024];
	int  length = snprintf(line, sizeof(line), "%s: ", rf_log_name);
	int  more = vsnprintf(line + length, sizeof(line) - (size_t)length - 1, fmt, args);

	if (more < 0)
		more = 0;
	length += more;
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	rf_log_catch_up();
	if (log_dropped || !log_line_taken(line, (size_t)length))
		log_dropped++;
}

void rf_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args);
	va_end(args);
}

/* A bucket of LOG_PEER_LINES, filled by one a second. */
static bool log_peer_may(void)
{
	uint64_t now = log_clock_ns();

	if (log_peer_ns < now)
		log_peer_ns = now;
	bool may = log_peer_ns + LOG_PEER_NS <= now + LOG_PEER_LINES * LOG_PEER_NS;
	if (may)
		log_peer_ns += LOG_PEER_NS;
	else if (!log_left_out++)
		log_left_out_ns = now;
	return may;
}

void rf_log_peer(const char *fmt, ...)
{
	va_list args;

	if (!log_peer_may()) {
		rf_log_catch_up();
		return;
	}
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
