/* SPDX-License-Identifier: MIT */
/*
 * hang_detector.h - is a driver that gives no sign of life hung, or only not let run?
 *
 * Room:   sandbox/supervisor, no privilege. Reads what the kernel writes about a process,
 *         and nothing that a driver wrote.
 */
#ifndef RF_HANG_DETECTOR_H
#define RF_HANG_DETECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel says of a process; `at_ns` is from after it was asked. */
struct rf_sample {
	uint64_t at_ns, cpu_ns, waited_ns; /* waited: runnable, without a processor */
	char     state;                    /* as in /proc/PID/stat */
	bool     exact;                    /* cpu_ns says whether it ran at all */
};

struct rf_hang_detector {
	uint32_t generation, episode;
	struct rf_sample last;     /* newest */
	struct rf_sample asleep;   /* first of an unbroken row of sleeping ones */
	uint64_t spun_ns;          /* own processor time since the first sample */
	int      samples;
};

/* 0, or -errno: it is gone, or about to be. */
int rf_sample_take(pid_t pid, struct rf_sample *);

/*
 * Its heartbeat stood still from before the first call for this episode to `looked_ns`;
 * `now` is how it is at this moment. True: it hangs.
 */
bool rf_hang_detected(struct rf_hang_detector *, uint32_t generation, uint32_t episode,
		      uint64_t looked_ns, const struct rf_sample *now, uint64_t hang_ns);

#endif
