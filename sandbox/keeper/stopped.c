/* SPDX-License-Identifier: MIT */
/* stopped.c - see stopped.h. Room: sandbox/keeper, two capabilities. */
#include "stopped.h"

#define LOOK_NS (RF_STOPPED_LOOK_MS * 1000000ull)

void rf_stopped_add(struct rf_stopped *s, pid_t pid, unsigned looks)
{
	rf_stopped_remove(s, pid);
	if (s->count == RF_STOPPED_MOST)
		return;
	s->one[s->count].pid = pid;
	s->one[s->count++].left = looks;
}

void rf_stopped_remove(struct rf_stopped *s, pid_t pid)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->one[i].pid == pid)
			s->one[i--] = s->one[--s->count];
}

int rf_stopped_wait_ms(const struct rf_stopped *s, uint64_t now_ns)
{
	if (!s->count)
		return -1;
	for (unsigned i = 0; i < s->count; i++)
		if (!s->one[i].left)
			return 0;
	return now_ns - s->looked_ns >= LOOK_NS
		       ? 0 : (int)((s->looked_ns + LOOK_NS - now_ns) / 1000000) + 1;
}

pid_t rf_stopped_due(struct rf_stopped *s, uint64_t now_ns)
{
	bool look = now_ns - s->looked_ns >= LOOK_NS;

	if (look)
		s->looked_ns = now_ns;
	for (unsigned i = 0; look && i < s->count; i++)
		s->one[i].left -= s->one[i].left > 0;
	for (unsigned i = 0; i < s->count; i++) {
		pid_t pid = s->one[i].pid;

		if (s->one[i].left)
			continue;
		rf_stopped_remove(s, pid);
		return pid;
	}
	return 0;
}
