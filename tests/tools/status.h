/* SPDX-License-Identifier: MIT */
/*
 * status.h - what the tools that kill drivers ask a running ringfence.
 *
 * Room:   tests/tools. A tool ends with 1 when nobody answers.
 */
#ifndef RF_TOOLS_STATUS_H
#define RF_TOOLS_STATUS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "show.h"

static char answer_text[4 << 20];

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `verb` as in show.h; the answer as text, until the next one. */
static const char *ask(const char *verb, const char *device)
{
	const char *path = getenv("RF_CONTROL"); /* not where root has it */
	FILE *f = fmemopen(answer_text, sizeof(answer_text), "w");

	answer_text[0] = '\0';
	if (!f || client_ask(path ? path : "/run/ringfence/control", verb, device, f))
		exit(1);
	fclose(f);
	return answer_text;
}

/* Number after "key": in the text from `at`, 0 if it is not there before `end`. */
static uint64_t member(const char *at, const char *end, const char *key)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	const char *p = strstr(at, quoted);
	return p && p < end ? strtoull(p + strlen(quoted), NULL, 10) : 0;
}

struct state { uint32_t generation, pid, standby, inflight; uint64_t completed, reissued, errors; };

static inline struct state look(const char *device)
{
	char name[64];
	const char *all = ask("status-json", "");

	snprintf(name, sizeof(name), "\"device\":\"%s\"", device);
	const char *at = strstr(all, name), *end = at ? strchr(at, '}') : NULL;
	if (!end) {
		fprintf(stderr, "no device %s\n", device);
		exit(1);
	}
	return (struct state){
		.generation = (uint32_t)member(at, end, "generation"),
		.pid = (uint32_t)member(at, end, "driver_pid"),
		.standby = (uint32_t)member(at, end, "standby_pid"),
		.inflight = (uint32_t)member(at, end, "inflight"),
		.completed = member(at, end, "completed"),
		.reissued = member(at, end, "reissued"),
		.errors = member(at, end, "client_errors"),
	};
}

#define QUEUES_MOST 8u

struct queue_state { uint32_t number, pid, standby; uint64_t answered; };

/* Fills q with the state of each queue of that device, in order. How many there are. */
static inline unsigned look_queues(const char *device, struct queue_state q[QUEUES_MOST])
{
	char name[64];
	const char *all = ask("status-json", ""), *end;
	unsigned n = 0;

	snprintf(name, sizeof(name), "\"device\":\"%s\"", device);
	const char *at = strstr(all, name);
	for (at = at ? strstr(at, "\"queues\":[{") : NULL; at && n < QUEUES_MOST; n++) {
		end = strchr(at, '}');
		q[n] = (struct queue_state){
			.number = (uint32_t)member(at, end, "driver_number"),
			.pid = (uint32_t)member(at, end, "pid"),
			.standby = (uint32_t)member(at, end, "next_pid"),
			.answered = member(at, end, "answered"),
		};
		at = end[1] == ',' ? end + 1 : NULL;
	}
	return n;
}

static inline void nap(unsigned us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l },
		  NULL);
}

#endif
