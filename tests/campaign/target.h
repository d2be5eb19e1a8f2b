/* SPDX-License-Identifier: MIT */
/*
 * target.h - a running driver, its memory, and a debug register that watches one place.
 *
 * Room:   tests/campaign, as root: a driver is not dumpable.
 * Watch:  the keeper traces the driver already, so there is no ptrace for us: a hardware
 *         breakpoint by perf_event_open() needs none. It counts what passed the place, and
 *         disarms itself at the first, so that a hot place costs one trap.
 * Order:  a driver that runs is stopped, changed and watched, and let go. So each count is
 *         of the changed place, and none is missed.
 */
#ifndef CAMPAIGN_TARGET_H
#define CAMPAIGN_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct target {
	pid_t    pid;
	int      pidfd, mem;
	uint64_t image; /* where its offset 0 is */
};

/* 0, -ESRCH: it is dead already, or -errno. */
int  target_open(struct target *, pid_t);
void target_close(struct target *);

/* 0 once it stands still, -ESRCH: it died instead. */
int  target_stop(const struct target *);
void target_go(const struct target *);

int  target_read(const struct target *, uint64_t offset, void *, size_t);
int  target_write(const struct target *, uint64_t offset, const void *, size_t);

/* A counter's fd: executions of, or (data) accesses to the 8 bytes at, this offset. */
int  target_watch(const struct target *, uint64_t offset, bool data);
/* What it counted; 1 at most. */
uint64_t target_hits(int watch);
/* Are breakpoints of this kind counted here at all? Some virtual machines have none. */
bool target_watches_work(void);

#endif
