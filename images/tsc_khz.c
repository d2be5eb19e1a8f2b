/* SPDX-License-Identifier: MIT */
/*
 * tsc_khz.c - prints how many thousand cycles the time stamp counter makes a second.
 *
 * Room:   images, on the machine that builds.
 * Why:    an emulated processor has the counter of the machine it is emulated on. A guest finds
 *         out its rate by waiting for a timer, twice; on a busy host its processor may stand
 *         still in between, and its clock goes at many times its rate ever after. See run-guest.
 * How:    the counter is read between two looks at the clock, and of many such readings at each
 *         end that one is taken whose two looks are closest together.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define APART_NS 100000000u
#define READINGS 2000

struct reading { uint64_t ns, tsc; };

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct reading closest(void)
{
	struct reading best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = clock_ns(), tsc = __rdtsc(), took = clock_ns() - before;

		if (took >= least)
			continue;
		least = took;
		best = (struct reading){ before + took / 2, tsc };
	}
	return best;
}

int main(void)
{
	struct reading a = closest();

	nanosleep(&(struct timespec){ .tv_nsec = APART_NS }, NULL);
	struct reading b = closest();
	printf("%.0f\n", (double)(b.tsc - a.tsc) * 1e6 / (double)(b.ns - a.ns));
	return 0;
}
