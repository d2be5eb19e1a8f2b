/* SPDX-License-Identifier: MIT */
/*
 * killer.c - kills the running driver of a device again and again, and reports how
 * long each time it took until its successor had completed a request that was in
 * flight at the kill.
 *
 *   killer DEVICE KILLS SEED INFLIGHT PAUSE_MS [STOP_FILE]
 *
 * A driver is killed once INFLIGHT requests are in flight and PROGRESS were completed
 * since the last kill, after a random pause of up to PAUSE_MS. (A request that is in
 * flight at three deaths in a row would rightly be taken for their cause.) Ends after KILLS kills, or with 1 if one is not recovered within
 * 60 s. STOP_FILE is made at the end. Prints the figures as JSON members.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_KILLS 4000
#define PROGRESS  64

struct death { uint32_t generation; uint64_t kill_ns; };
static struct death deaths[MAX_KILLS];
static char answer_text[4 << 20];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *ask(const char *request)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/ringfence/control" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t used = 0;
	ssize_t n;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) || write(fd, request, strlen(request)) < 0) {
		fprintf(stderr, "killer: no supervisor answers: %s\n", strerror(errno));
		exit(1);
	}
	while (used < sizeof(answer_text) - 1 &&
	       (n = read(fd, answer_text + used, sizeof(answer_text) - 1 - used)) > 0)
		used += (size_t)n;
	answer_text[used] = '\0';
	close(fd);
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

struct state { uint32_t generation, pid, inflight; uint64_t completed, reissued, errors; };

static struct state look(const char *device)
{
	char name[64];
	const char *all = ask("status-json\n");

	snprintf(name, sizeof(name), "\"device\":\"%s\"", device);
	const char *at = strstr(all, name), *end = at ? strchr(at, '}') : NULL;
	if (!end) {
		fprintf(stderr, "killer: no device %s\n", device);
		exit(1);
	}
	return (struct state){
		.generation = (uint32_t)member(at, end, "generation"),
		.pid = (uint32_t)member(at, end, "driver_pid"),
		.inflight = (uint32_t)member(at, end, "inflight"),
		.completed = member(at, end, "completed"),
		.reissued = member(at, end, "reissued"),
		.errors = member(at, end, "client_errors"),
	};
}

static void nap(unsigned us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l }, NULL);
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

static void collect(const char *device, int kills)
{
	char request[80];

	snprintf(request, sizeof(request), "recoveries %s\n", device);
	const char *text = ask(request);
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		uint32_t g = (uint32_t)member(line, end, "generation");
		for (int i = 0; i < kills; i++) {
			if (deaths[i].generation != g)
				continue;
			uint64_t detect = member(line, end, "detect_ns"), quiet = member(line, end, "quiesced_ns");
			uint64_t spawned = member(line, end, "spawned_ns"), on = member(line, end, "enabled_ns");
			add(DETECT, deaths[i].kill_ns, detect);
			add(QUIESCE, detect, quiet);
			add(SPAWN, quiet, spawned > quiet ? spawned : quiet);
			add(ENABLE, spawned > quiet ? spawned : quiet, on);
			series[INFLIGHT][lengths[INFLIGHT]++] = member(line, end, "inflight");
			if (!member(line, end, "reissued"))
				continue;
			add(FIRST_IO, on, member(line, end, "first_io_ns"));
			add(TOTAL, deaths[i].kill_ns, member(line, end, "first_io_ns"));
		}
	}
}

static double us(int kind, int p)
{
	return (double)percentile(series[kind], lengths[kind], p) / 1000.0;
}

static void report(const char *device, int kills)
{
	struct state s = look(device);

	collect(device, kills);
	printf("\"requests\":%llu,\"kills\":%d,\"recoveries\":%d,\"reissued\":%llu,"
	       "\"inflight_at_kill_p50\":%llu,\"service_errors\":%llu,\"recovery_samples\":%d,"
	       "\"recovery_p50_us\":%.1f,\"recovery_p99_us\":%.1f,\"recovery_max_us\":%.1f,"
	       "\"detect_us\":%.1f,\"quiesce_us\":%.1f,\"spawn_us\":%.1f,\"enable_us\":%.1f,"
	       "\"first_io_us\":%.1f\n",
	       (unsigned long long)s.completed, kills, lengths[INFLIGHT], (unsigned long long)s.reissued,
	       (unsigned long long)percentile(series[INFLIGHT], lengths[INFLIGHT], 50),
	       (unsigned long long)s.errors, lengths[TOTAL], us(TOTAL, 50), us(TOTAL, 99), us(TOTAL, 100),
	       us(DETECT, 50), us(QUIESCE, 50), us(SPAWN, 50), us(ENABLE, 50), us(FIRST_IO, 50));
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: killer DEVICE KILLS SEED INFLIGHT PAUSE_MS [STOP_FILE]\n");
		return 64;
	}
	const char *device = argv[1];
	int kills = atoi(argv[2]);
	unsigned seed = (unsigned)atoi(argv[3]), least = (unsigned)atoi(argv[4]), pause = (unsigned)atoi(argv[5]);
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
		       s.completed < done + PROGRESS) {
			if (now_ns() > deadline) {
				fprintf(stderr, "killer: no driver with %u requests in flight for 60 s\n", least);
				kills = i;
				code = 1;
				break;
			}
			nap(500);
		}
		if (code)
			break;
		deaths[i] = (struct death){ .generation = s.generation, .kill_ns = now_ns() };
		kill((pid_t)s.pid, SIGKILL);
		last = s.generation;
		done = s.completed;
		if ((i + 1) % 10 == 0)
			fprintf(stderr, "killer: %d of %d\n", i + 1, kills);
	}
	if (argc > 6)
		close(open(argv[6], O_CREAT | O_WRONLY, 0600));
	/* The last successor's first completion is part of the figures. */
	for (int i = 0; i < 200 && (last == look(device).generation || !look(device).pid); i++)
		nap(50000);
	nap(1000000);
	report(device, kills);
	return code;
}
