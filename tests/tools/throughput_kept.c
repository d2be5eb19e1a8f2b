/* SPDX-License-Identifier: MIT */
/*
 * throughput_kept.c - how much of its throughput a device keeps while its driver is killed again
 * and again.
 *
 *   throughput_kept DEVICE PAIRS SECONDS [PER_SECOND WHERE]
 *
 * PAIRS times SECONDS without kills and SECONDS with PER_SECOND (1) of them, in turns, so
 * that a machine that is slow for a while is slow for both. Prints JSON members, named for
 * WHERE (guest). 1 if one kill in fifty found no new driver before the next was due: then
 * it was not that many kills a second.
 */
#include <signal.h>

#include "status.h"

static unsigned kills, missed;

static void wait_until(uint64_t due)
{
	uint64_t now = now_ns();

	if (due > now)
		nap((unsigned)((due - now) / 1000));
}

/* Not the same one twice: a dead driver is in the supervisor's books until it is noticed. */
static void kill_driver(const char *device, uint64_t before)
{
	static uint32_t last;
	struct state s;

	while (s = look(device), (!s.pid || s.generation == last) && now_ns() < before)
		nap(1000);
	if (!s.pid || s.generation == last) {
		missed++;
	} else if (!kill((pid_t)s.pid, SIGKILL)) {
		last = s.generation;
		kills++;
	}
}

/* Requests completed in a window. Both kinds are looked at equally often. */
static uint64_t window(const char *device, int seconds, unsigned rate, int killing, uint64_t *ns)
{
	uint64_t start = now_ns(), before = look(device).completed, every = 1000000000u / rate;

	for (unsigned i = 0; i < (unsigned)seconds * rate; i++) {
		wait_until(start + i * every + every / 2);
		if (killing)
			kill_driver(device, start + (i + 1) * every);
		else
			(void)look(device);
	}
	wait_until(start + (uint64_t)seconds * 1000000000u);
	uint64_t after = look(device).completed;
	*ns += now_ns() - start;
	return after - before;
}

int main(int argc, char **argv)
{
	uint64_t done[2] = { 0 }, ns[2] = { 0 };
	unsigned rate = argc == 6 ? (unsigned)atoi(argv[4]) : 1;
	const char *where = argc == 6 ? argv[5] : "guest";

	if ((argc != 4 && argc != 6) || !rate) {
		fprintf(stderr, "usage: throughput_kept DEVICE PAIRS SECONDS [PER_SECOND WHERE]\n");
		return 64;
	}
	for (int i = 0; i < 2 * atoi(argv[2]); i++)
		done[i & 1] += window(argv[1], atoi(argv[3]), rate, i & 1, &ns[i & 1]);
	double quiet = (double)done[0] * 1e9 / (double)ns[0],
	       killed = (double)done[1] * 1e9 / (double)ns[1];
	printf("\"%s_throughput_kept_%ups\":%.4f,\"quiet_iops\":%.0f,\"killed_%ups_iops\":%.0f,"
	       "\"kept_kills\":%u,"
	       "\"kept_missed\":%u\n",
	       where, rate, killed / quiet, quiet, rate, killed, kills, missed);
	return missed * 50 > kills;
}
