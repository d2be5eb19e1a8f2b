/* SPDX-License-Identifier: MIT */
/*
 * killer.c - kills the running driver of a device again and again, and reports how
 * long each time it took until its successor had completed a request that was in
 * flight at the kill; of a NIC, until it had received a frame.
 *
 *   killer [--no-standby] DEVICE KILLS SEED INFLIGHT PAUSE_MS [STOP_FILE]
 *
 * A driver is killed once INFLIGHT requests are in flight, PROGRESS were completed since
 * the last kill and, unless there is none to come, a new standby is there, after a random
 * pause of up to PAUSE_MS. (A
 * request that is in flight at three deaths in a row would rightly be taken for their
 * cause.) Ends after KILLS kills, or with 1 if one is not recovered within 60 s. STOP_FILE
 * is made at the end. Prints the figures as JSON members.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status.h"

#define MAX_KILLS 400000
#define COLLECT   2000 /* kills: half of what a supervisor remembers (RF_STATS_LOG) */
#define PROGRESS  64

struct killed { uint32_t generation; uint64_t kill_ns; };
static struct killed deaths[MAX_KILLS];

/* Somebody else's victim, which is only not reaped yet, is none of ours. */
static int alive(uint32_t pid)
{
	char path[32], text[256], *state;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	state = strrchr(text, ')');
	return state && state[1] == ' ' && !strchr("ZXt", state[2]);
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t percentile(uint64_t *v, int n, int p)
{
	if (!n)
		return 0;
	qsort(v, (size_t)n, sizeof(*v), order);
	return v[(n - 1) * p / 100];
}

enum { TOTAL, DETECT, QUIESCE, SPAWN, ENABLE, FIRST_IO, INFLIGHT, KINDS };
static uint64_t series[KINDS][MAX_KILLS];
static int      lengths[KINDS];

static void add(int kind, uint64_t from, uint64_t to)
{
	if (to)
		series[kind][lengths[kind]++] = to > from ? to - from : 0;
}

/* A line about a driver we killed. */
static void recovery(const char *line, const char *end, uint64_t killed)
{
	uint64_t detect = member(line, end, "detect_ns"), quiet = member(line, end, "quiesced_ns");
	uint64_t spawned = member(line, end, "spawned_ns"), on = member(line, end, "enabled_ns");

	add(DETECT, killed, detect);
	add(QUIESCE, detect, quiet);
	add(SPAWN, quiet, spawned > quiet ? spawned : quiet);
	add(ENABLE, spawned > quiet ? spawned : quiet, on);
	series[INFLIGHT][lengths[INFLIGHT]++] = member(line, end, "inflight");
	add(FIRST_IO, on, member(line, end, "first_io_ns"));
	add(TOTAL, killed, member(line, end, "first_io_ns"));
}

/* What became of kills [collected, kills): generations only grow, in both lists. */
static void collect(const char *device, int kills)
{
	static int collected;
	const char *text = ask("recoveries", device);

	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		uint32_t g = (uint32_t)member(line, end, "generation");
		while (collected < kills && deaths[collected].generation < g)
			collected++;
		if (collected < kills && deaths[collected].generation == g)
			recovery(line, end, deaths[collected++].kill_ns);
	}
}

static double us(int kind, int p)
{
	return (double)percentile(series[kind], lengths[kind], p) / 1000.0;
}

/* Deaths that found fewer requests in flight than the supervisor had said just before. */
static int below(unsigned least)
{
	int n = 0;

	for (int i = 0; i < lengths[INFLIGHT]; i++)
		n += series[INFLIGHT][i] < least;
	return n;
}

static void report(const char *device, int kills, unsigned least)
{
	struct state s = look(device);

	collect(device, kills);
	printf("\"requests\":%llu,\"kills\":%d,\"recoveries\":%d,\"reissued\":%llu,"
	       "\"inflight_at_kill_p50\":%llu,\"inflight_at_kill_min\":%llu,\"inflight_below_%u\":%"
	       "d,\"service_errors\":%llu,\"recovery_samples\":%d,"
	       "\"recovery_p50_us\":%.1f,\"recovery_p99_us\":%.1f,\"recovery_max_us\":%.1f,"
	       "\"detect_us\":%.1f,\"quiesce_us\":%.1f,\"spawn_us\":%.1f,\"enable_us\":%.1f,"
	       "\"first_io_us\":%.1f,\"detect_p99_us\":%.1f,\"quiesce_p99_us\":%.1f,"
	       "\"spawn_p99_us\":%.1f,\"enable_p99_us\":%.1f,\"first_io_p99_us\":%.1f\n",
	       (unsigned long long)s.completed, kills, lengths[INFLIGHT],
	       (unsigned long long)s.reissued,
	       (unsigned long long)percentile(series[INFLIGHT], lengths[INFLIGHT], 50),
	       (unsigned long long)percentile(series[INFLIGHT], lengths[INFLIGHT], 0), least,
	       below(least), (unsigned long long)s.errors, lengths[TOTAL], us(TOTAL, 50),
	       us(TOTAL, 99), us(TOTAL, 100), us(DETECT, 50), us(QUIESCE, 50), us(SPAWN, 50),
	       us(ENABLE, 50), us(FIRST_IO, 50), us(DETECT, 99), us(QUIESCE, 99), us(SPAWN, 99),
	       us(ENABLE, 99), us(FIRST_IO, 99));
}

int main(int argc, char **argv)
{
	bool alone = argc > 1 && !strcmp(argv[1], "--no-standby");

	argc -= alone;
	argv += alone;
	if (argc < 6) {
		fprintf(stderr, "usage: killer [--no-standby] DEVICE KILLS SEED INFLIGHT PAUSE_MS "
				"[STOP_FILE]\n");
		return 64;
	}
	const char *device = argv[1];
	int kills = atoi(argv[2]);
	unsigned seed = (unsigned)atoi(argv[3]), least = (unsigned)atoi(argv[4]),
		 pause = (unsigned)atoi(argv[5]);
	uint32_t last = 0;
	uint64_t done = 0; /* requests completed at the last kill */
	int code = 0;

	if (kills > MAX_KILLS)
		kills = MAX_KILLS;
	fprintf(stderr, "killer: seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < kills; i++) {
		uint64_t deadline = now_ns() + 60000000000ull;
		struct state s;

		nap((unsigned)(random() % (pause * 1000 + 1)));
		while (s = look(device), !s.pid || s.generation == last || s.inflight < least ||
		       s.completed < done + PROGRESS || (!alone && !s.standby) || !alive(s.pid)) {
			if (now_ns() > deadline) {
				fprintf(stderr,
					"killer: no driver with %u requests in flight for 60 s\n",
					least);
				kills = i;
				code = 1;
				break;
			}
			nap(500);
		}
		if (code)
			break;
		if (i % COLLECT == COLLECT - 1)
			collect(device, i);
		deaths[i] = (struct killed){ .generation = s.generation, .kill_ns = now_ns() };
		kill((pid_t)s.pid, SIGKILL);
		last = s.generation;
		done = s.completed;
		if ((i + 1) % (kills < 1000 ? 10 : 500) == 0)
			fprintf(stderr, "killer: %d of %d\n", i + 1, kills);
	}
	if (argc > 6)
		close(open(argv[6], O_CREAT | O_WRONLY, 0600));
	/* The last successor's first completion is part of the figures. */
	for (int i = 0; i < 200 && (last == look(device).generation || !look(device).pid); i++)
		nap(50000);
	nap(1000000);
	report(device, kills, least);
	return code;
}
