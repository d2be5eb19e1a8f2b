/* SPDX-License-Identifier: MIT */
/*
 * kept.c - how much of its throughput a device keeps while its driver is killed once a
 * second.
 *
 *   kept DEVICE PAIRS SECONDS
 *
 * PAIRS times SECONDS without kills and SECONDS with one kill a second, in turns, so that
 * a machine that is slow for a while is slow for both. Prints JSON members. 1 if a kill
 * found no driver: then it was not one kill a second.
 */
#include <signal.h>

#include "status.h"

static unsigned kills, missed;

/* Requests completed in a window. Both kinds are looked at equally often. */
static uint64_t window(const char *device, int seconds, int killing, uint64_t *ns)
{
	uint64_t start = now_ns(), before = look(device).completed;

	for (int i = 0; i < seconds; i++) {
		uint64_t due = start + (uint64_t)i * 1000000000u + 500000000u, now = now_ns();
		if (due > now)
			nap((unsigned)((due - now) / 1000));
		struct state s = look(device);
		if (killing && !s.pid)
			missed++;
		else if (killing && !kill((pid_t)s.pid, SIGKILL))
			kills++;
	}
	uint64_t end = start + (uint64_t)seconds * 1000000000u, now = now_ns();
	if (end > now)
		nap((unsigned)((end - now) / 1000));
	uint64_t after = look(device).completed;
	*ns += now_ns() - start;
	return after - before;
}

int main(int argc, char **argv)
{
	uint64_t done[2] = { 0 }, ns[2] = { 0 };

	if (argc != 4) {
		fprintf(stderr, "usage: kept DEVICE PAIRS SECONDS\n");
		return 64;
	}
	for (int i = 0; i < 2 * atoi(argv[2]); i++)
		done[i & 1] += window(argv[1], atoi(argv[3]), i & 1, &ns[i & 1]);
	double quiet = (double)done[0] * 1e9 / (double)ns[0], killed = (double)done[1] * 1e9 / (double)ns[1];
	printf("\"guest_throughput_kept_1ps\":%.4f,\"quiet_iops\":%.0f,\"killed_1ps_iops\":%.0f,\"kept_kills\":%u\n",
	       killed / quiet, quiet, killed, kills);
	return missed != 0;
}
