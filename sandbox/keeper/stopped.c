/* SPDX-License-Identifier: MIT */
/* stopped.c - see stopped.h. Room: sandbox/keeper, two capabilities. */
#include "stopped.h"

#include <string.h>
#include <sys/mman.h>

#define LOOK_NS (RF_STOPPED_LOOK_MS * 1000000ull)

static struct rf_stopped_one *one(struct rf_stopped *s)
{
	return s->many ? s->many : s->few;
}

/* Without memory those that are too many stay stopped, like in a keeper that does not look. */
static bool room(struct rf_stopped *s)
{
	const size_t bytes = RF_STOPPED_MOST * sizeof(s->few[0]);

	if (s->count < RF_STOPPED_FEW || s->many)
		return s->count < RF_STOPPED_MOST;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	s->many = memcpy(p, s->few, sizeof(s->few));
	return true;
}

void rf_stopped_add(struct rf_stopped *s, pid_t pid, unsigned looks)
{
	rf_stopped_remove(s, pid);
	if (room(s))
		one(s)[s->count++] = (struct rf_stopped_one){ .pid = pid, .left = looks };
}

void rf_stopped_remove(struct rf_stopped *s, pid_t pid)
{
	struct rf_stopped_one *all = one(s);

	for (unsigned i = 0; i < s->count; i++)
		if (all[i].pid == pid)
			all[i--] = all[--s->count];
}

int rf_stopped_wait_ms(const struct rf_stopped *s, uint64_t now_ns)
{
	const struct rf_stopped_one *all = s->many ? s->many : s->few;

	if (!s->count)
		return -1;
	for (unsigned i = 0; i < s->count; i++)
		if (!all[i].left)
			return 0;
	return now_ns - s->looked_ns >= LOOK_NS
		       ? 0 : (int)((s->looked_ns + LOOK_NS - now_ns) / 1000000) + 1;
}

pid_t rf_stopped_due(struct rf_stopped *s, uint64_t now_ns)
{
	struct rf_stopped_one *all = one(s);
	bool look = now_ns - s->looked_ns >= LOOK_NS;

	if (look)
		s->looked_ns = now_ns;
	for (unsigned i = 0; look && i < s->count; i++)
		all[i].left -= all[i].left > 0;
	for (unsigned i = 0; i < s->count; i++) {
		pid_t pid = all[i].pid;

		if (all[i].left)
			continue;
		rf_stopped_remove(s, pid);
		return pid;
	}
	return 0;
}
