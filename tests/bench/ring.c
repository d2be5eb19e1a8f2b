/* SPDX-License-Identifier: MIT */
/*
 * ring.c - how fast sandbox/abi/ring.h is, and DPDK's rte_ring beside it.
 *
 * Room:   tests/bench, runs on the build machine; no part of the product.
 * Method: two threads, each pinned to a core of its own. Both queues have the same
 *         number of slots, carry the same 16-byte records, are compiled with the same
 *         flags and driven by the same loops; runs alternate, ours, rte, ours, rte.
 *         A thread fills an array and sends it; the other receives into an array and
 *         checks every record's sequence number. One record missing, twice or torn
 *         makes the whole benchmark fail.
 * Figure: the machine may be shared. A run is cut into chunks, its figure is the median
 *         chunk (the median round trip), and the reported figure the median run.
 *
 *   ring OUT.json BUILD [ROUNDS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ring_loops.h"

#define ROUNDS_MAX 99
#define HANG_S     60

/* ---- running ------------------------------------------------------------------ */
static void cpus_choose(void)
{
	cpu_set_t mine;

	cpu_far = cpu_near = -1;
	if (sched_getaffinity(0, sizeof(mine), &mine) == 0)
		for (int c = 0; c < CPU_SETSIZE; c++) {
			if (!CPU_ISSET(c, &mine))
				continue;
			if (cpu_near < 0)
				cpu_near = c;
			else
				cpu_far = c; /* the last: rarely the first one's sibling */
		}
	if (cpu_far < 0) {
		fprintf(stderr, "bench-ring: needs two CPUs (see taskset -p $$)\n");
		exit(1);
	}
}

static void cpu_pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one)) {
		fprintf(stderr, "bench-ring: cannot run on CPU %d\n", cpu);
		exit(1);
	}
}

/* Both threads leave at the same moment. */
static void run_meet(struct run *r)
{
	atomic_fetch_add(&r->started, 1);
	while (atomic_load(&r->started) < 2)
		__builtin_ia32_pause();
}

static void *run_far(void *arg)
{
	struct run *r = arg;

	cpu_pin(cpu_far);
	run_meet(r);
	r->far(r);
	return NULL;
}

static bool run_once(struct run *r)
{
	pthread_t thread;

	queue_init(&queue_a);
	queue_init(&queue_b);
	r->there = &queue_a;
	r->back = &queue_b;
	r->bell[0] = eventfd(0, EFD_CLOEXEC);
	r->bell[1] = eventfd(0, EFD_CLOEXEC);
	alarm(HANG_S); /* a lost wake-up must not hang the benchmark: SIGALRM ends it */
	if (r->bell[0] < 0 || r->bell[1] < 0 || pthread_create(&thread, NULL, run_far, r)) {
		fprintf(stderr, "bench-ring: cannot make an eventfd or a thread\n");
		exit(1);
	}
	run_meet(r);
	r->near(r);
	pthread_join(thread, NULL);
	close(r->bell[0]);
	close(r->bell[1]);
	return !r->failed;
}

/* ---- the table ---------------------------------------------------------------- */
struct figure {
	const char *name; /* as in the results file, rte_ in front for DPDK's */
	void      (*far)(struct run *), (*near)(struct run *);
	bool        rate; /* million records a second; otherwise nanoseconds */
	double      rounds[ROUNDS_MAX];
	double      median;
};

#define RATE(kind, batch, prefix)                                                                  \
	{ .name = prefix "ring_b" #batch "_mrps", .far = produce_##kind##_##batch,                 \
	  .near = consume_##kind##_##batch, .rate = true }
static struct figure figures[] = {
	RATE(OURS, 1, ""),
	RATE(RTE, 1, "rte_"),
	RATE(OURS, 8, ""),
	RATE(RTE, 8, "rte_"),
	RATE(OURS, 32, ""),
	RATE(RTE, 32, "rte_"),
	RATE(OURS, 64, ""),
	RATE(RTE, 64, "rte_"),
	{ .name = "rtt_polled_p50_ns", .far = polled_far_OURS, .near = polled_near_OURS },
	{ .name = "rte_rtt_polled_p50_ns", .far = polled_far_RTE, .near = polled_near_RTE },
	{ .name = "rtt_eventfd_p50_ns", .far = sleep_far, .near = sleep_near },
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Ticks of the time stamp counter in a nanosecond, over a tenth of a second. */
static void ticks_calibrate(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	uint64_t start = now_ticks();
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC_RAW, &b);
	uint64_t ticks = now_ticks() - start;
	ticks_per_ns = (double)ticks / ((double)(b.tv_sec - a.tv_sec) * 1e9 +
					(double)(b.tv_nsec - a.tv_nsec));
}

/* Batches that do not divide the ring: what the runs never do, wrapping in mid-batch. */
static bool wraps(enum kind kind)
{
	struct record out[7], in[7];

	queue_init(&queue_a);
	for (uint64_t seq = 0; seq < 8 * SLOTS; seq += 7) {
		for (unsigned i = 0; i < 7; i++)
			record_fill(&out[i], seq + i);
		if (end_send(kind, &queue_a.producer, out, 7) != 7 ||
		    end_receive(kind, &queue_a.consumer, in, 7) != 7)
			return false;
		for (unsigned i = 0; i < 7; i++)
			if (!record_good(&in[i], seq + i))
				return false;
	}
	return true;
}

/* Positive control: every run must fail when the sequence is off by one. */
static bool control(void)
{
	if (!wraps(OURS) || !wraps(RTE)) {
		fprintf(stderr, "bench-ring: a batch across the ring's end comes out wrong\n");
		return false;
	}
	for (unsigned i = 0; i < FIGURES; i++) {
		if (figures[i].far == sleep_far)
			continue; /* its records pass through the polled trip's check */
		struct run r = { .far = figures[i].far, .near = figures[i].near, .first = 1 };
		if (run_once(&r)) {
			fprintf(stderr, "bench-ring: %s takes a wrong record for a good one\n",
				figures[i].name);
			return false;
		}
	}
	return true;
}

static bool measure(int rounds, uint64_t *verified, uint64_t *kicks)
{
	for (int round = 0; round < rounds; round++)
		for (unsigned i = 0; i < FIGURES; i++) {
			struct run r = { .far = figures[i].far, .near = figures[i].near };
			bool       good = run_once(&r);

			*verified += r.verified;
			*kicks += r.kicks + r.far_kicks;
			if (!good)
				return false;
			figures[i].rounds[round] = figures[i].rate ? 1e3 * ticks_per_ns / r.figure
								   : r.figure / ticks_per_ns;
		}
	for (unsigned i = 0; i < FIGURES; i++) {
		qsort(figures[i].rounds, (size_t)rounds, sizeof(double), double_cmp);
		figures[i].median = figures[i].rounds[rounds / 2];
	}
	return true;
}

static void print_one(const struct figure *f, int rounds)
{
	printf(" %9.1f (%.1f to %.1f)", f->median, f->rounds[0], f->rounds[rounds - 1]);
}

static void table(int rounds)
{
	printf("%-20s  ours (lowest to highest run) / rte_ring (same) / ours is better by\n",
	       "");
	for (unsigned i = 0; i < FIGURES; i++) {
		const struct figure *f = &figures[i], *rte = f + 1;

		if (strncmp(f->name, "rte_", 4) == 0)
			continue;
		printf("%-20s", f->name);
		print_one(f, rounds);
		if (i + 1 < FIGURES) {
			printf("  /");
			print_one(rte, rounds);
			printf("  /  %.2f",
			       f->rate ? f->median / rte->median : rte->median / f->median);
		}
		putchar('\n');
	}
}

static bool write_json(const char *path, const char *build, bool ok, int rounds, uint64_t verified)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return false;
	fprintf(f, "{\"name\": \"bench-ring\", \"ok\": %s, \"build\": \"%s\"",
		ok ? "true" : "false", build);
	for (unsigned i = 0; ok && i < FIGURES; i++)
		fprintf(f, ", \"%s\": %.1f", figures[i].name, figures[i].median);
	fprintf(f, ", \"rounds\": %d, \"records_verified\": %llu}\n", rounds,
		(unsigned long long)verified);
	return fclose(f) == 0;
}

int main(int argc, char **argv)
{
	int      rounds = argc > 3 ? atoi(argv[3]) : 15;
	uint64_t verified = 0, kicks = 0;

	if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: ring OUT.json BUILD [ROUNDS, 1 to %d]\n", ROUNDS_MAX);
		return 2;
	}
	cpus_choose();
	cpu_pin(cpu_near);
	ticks_calibrate();
	unlink(argv[1]); /* should a signal end this, no older result may stand in for it */
	bool   ok = control() && measure(rounds, &verified, &kicks);
	double kicks_trip = (double)kicks / ((double)TRIPS_SLEEP * rounds);
	if (ok && kicks_trip < 1.5) { /* the median trip must have woken both sides */
		fprintf(stderr, "bench-ring: %.2f kicks a round trip, 2 are due: nobody slept\n",
			kicks_trip);
		ok = false;
	}
	if (ok) {
		table(rounds);
		printf("%llu records verified; eventfd kicks %.2f a round trip\n",
		       (unsigned long long)verified, kicks_trip);
	}
	if (!write_json(argv[1], argv[2], ok, rounds, verified)) {
		fprintf(stderr, "bench-ring: cannot write %s\n", argv[1]);
		return 1;
	}
	return ok ? 0 : 1;
}
