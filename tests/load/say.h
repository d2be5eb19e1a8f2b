/* SPDX-License-Identifier: MIT */
/*
 * say.h - what both load generators need of a C library: a line in the log, the clock, a wait.
 *
 * Room:   tests/load.
 */
#ifndef LOAD_SAY_H
#define LOAD_SAY_H

#include <poll.h>
#include <stdint.h>
#include <time.h>

#define LOAD_EXIT 70 /* what it cannot do, after a line in the log */

/* Goes before each line; each program has one. */
extern const char load_name[];
void load_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void load_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline uint64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As poll(), by the call that is on the list of export programs. */
static inline int load_wait(struct pollfd *p, unsigned count, int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	return ppoll(p, count, ms < 0 ? NULL : &t, NULL);
}

#endif
