/* SPDX-License-Identifier: MIT */
/*
 * others_kept.c - what the other queues of a device keep of their throughput while the driver of
 * one is killed once a second.
 *
 *   others_kept DEVICE QUEUE KILLS
 *
 * All that a death costs is over within a quarter of a second, which is compared with the quarter
 * just before the kill: whatever else the machine does changes more over a second than over that.
 * What was lost of a quarter is a fourth of that of a second. In turns with the kills as many
 * such pairs of quarters are taken without one (0ps). What these lose, and the standard errors by
 * what the pairs differ, say how much of the figure the machine itself may be. Prints JSON
 * members. 1: one kill in fifty found no driver, or another queue's driver is not the same any
 * more.
 */
#include <math.h>
#include <signal.h>
#include <stdbool.h>

#include "status.h"

#define QUARTER_NS 250000000u

/* What was answered at a moment, by the device and by its other queues. */
struct moment { uint64_t ns, all, others; };

/* Quarters, and the ones that follow them: answers, time, and the sums of their pairs' ratios. */
struct pairs {
	double   before, after, all_before, all_after, before_ns, after_ns, sum, squares;
	unsigned count;
};

static const char *device;
static unsigned queue, count;
static struct queue_state now[QUEUES_MOST];

static struct moment look_now(void)
{
	struct moment m = { .all = look(device).completed };

	count = look_queues(device, now);
	for (unsigned i = 0; i < count; i++)
		m.others += i == queue ? 0 : now[i].answered;
	m.ns = now_ns();
	return m;
}

static void wait_until(uint64_t due)
{
	uint64_t at = now_ns();

	if (due > at)
		nap((unsigned)((due - at) / 1000));
}

static void pairs_add(struct pairs *p, const struct moment m[3])
{
	double before = (double)(m[1].others - m[0].others);
	double after = (double)(m[2].others - m[1].others);
	double before_ns = (double)(m[1].ns - m[0].ns), after_ns = (double)(m[2].ns - m[1].ns);

	if (before < 1)
		return;
	double ratio = after / after_ns / (before / before_ns);
	p->before += before;
	p->after += after;
	p->all_before += (double)(m[1].all - m[0].all);
	p->all_after += (double)(m[2].all - m[1].all);
	p->before_ns += before_ns;
	p->after_ns += after_ns;
	p->sum += ratio;
	p->squares += ratio * ratio;
	p->count++;
}

/* Of a second, of which the first quarter after the kill lost that share. */
static double kept(double before, double after, const struct pairs *p)
{
	return 1 - (1 - after / p->after_ns / (before / p->before_ns)) / 4;
}

static double kept_error(const struct pairs *p)
{
	double n = p->count, mean = p->sum / n, variance = p->squares / n - mean * mean;

	return n < 2 || variance < 0 ? 0 : sqrt(variance / (n - 1)) / 4;
}

/* One second, its middle a kill or none. False: there was nobody to kill. */
static bool second(struct pairs *p, bool killing)
{
	static uint32_t last;
	uint64_t start = now_ns();
	struct moment m[3];
	bool done = true;

	wait_until(start + QUARTER_NS);
	m[0] = look_now();
	wait_until(start + 2 * QUARTER_NS);
	m[1] = look_now();
	if (killing) {
		const struct queue_state *q = &now[queue];

		done = q->pid && q->number != last && !kill((pid_t)q->pid, SIGKILL);
		last = q->number;
	}
	wait_until(m[1].ns + (m[1].ns - m[0].ns));
	m[2] = look_now();
	if (done)
		pairs_add(p, m);
	wait_until(start + 4 * QUARTER_NS);
	return done;
}

static unsigned others_lost(const uint32_t first[QUEUES_MOST])
{
	unsigned lost = 0;

	look_now();
	for (unsigned i = 0; i < count; i++)
		lost += i != queue && now[i].pid != first[i];
	return lost;
}

static void report(const struct pairs *killed, const struct pairs *quiet, unsigned missed,
		   unsigned lost)
{
	printf("\"others_kept_1ps\":%.4f,\"others_kept_1ps_error\":%.4f,"
	       "\"others_kept_0ps\":%.4f,\"others_kept_0ps_error\":%.4f,"
	       "\"others_all_kept_1ps\":%.4f,\"others_iops\":%.0f,\"others_queues\":%u,"
	       "\"others_kills\":%u,\"others_missed\":%u,\"others_lost\":%u\n",
	       kept(killed->before, killed->after, killed), kept_error(killed),
	       kept(quiet->before, quiet->after, quiet), kept_error(quiet),
	       kept(killed->all_before, killed->all_after, killed),
	       quiet->before * 1e9 / quiet->before_ns, count, killed->count, missed, lost);
}

int main(int argc, char **argv)
{
	struct pairs killed = { 0 }, quiet = { 0 };
	uint32_t first[QUEUES_MOST];
	unsigned missed = 0;

	if (argc != 4 || atoi(argv[3]) < 1) {
		fprintf(stderr, "usage: others_kept DEVICE QUEUE KILLS\n");
		return 64;
	}
	device = argv[1];
	queue = (unsigned)atoi(argv[2]);
	look_now();
	if (count < 2 || queue >= count) {
		fprintf(stderr, "others_kept: %s has %u queues\n", device, count);
		return 64;
	}
	for (unsigned i = 0; i < count; i++)
		first[i] = now[i].pid;
	for (int i = 0; i < atoi(argv[3]); i++) {
		missed += !second(&killed, true);
		second(&quiet, false);
	}
	unsigned lost = others_lost(first);
	if (!killed.count || !quiet.count) {
		fprintf(stderr, "others_kept: nothing was answered, or nobody could be killed\n");
		return 1;
	}
	report(&killed, &quiet, missed, lost);
	return missed * 50 > killed.count || lost;
}
