/* SPDX-License-Identifier: MIT */
/*
 * backoff.c - how long a successor is held back, and whether one that cannot be had may be later.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include <errno.h>

#include "supervisor.h"

/* The wait before the next driver. Deaths with progress in between, or long after the one
 * before, cost nothing; each other death doubles it. */
uint64_t dev_backoff(const struct dev *d, uint64_t fruitless)
{
	const struct rf_policy *p = &d->cfg->policy;
	uint64_t ns = p->backoff_ns;

	if (fruitless < 2)
		return 0;
	for (uint64_t i = 2; i < fruitless && ns < p->backoff_cap_ns; i++)
		ns *= 2;
	return ns < p->backoff_cap_ns ? ns : p->backoff_cap_ns;
}

bool dev_shortage(int err)
{
	return err == -ENOMEM || err == -EAGAIN;
}

void dev_want_drop(struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		struct wanted_driver *w = &d->queue[i].want;

		if (w->waiting)
			rf_close_all(w->fds, w->count);
		w->waiting = false;
	}
}
