/* SPDX-License-Identifier: MIT */
/*
 * nvme_slow.c - a controller that takes its time to get ready or unready, and to delete queues.
 *
 * Room:   tests/models. Base 3.1.3.1 (CAP.TO), 3.5 (CSTS.RDY follows CC.EN), 5.6, 5.7. What is
 *         written meanwhile is taken: the admin queue's registers, and CC.EN, which begins anew.
 */
#include "nvme_model.h"

static void now_ready(struct nvme *n)
{
	n->slow.ready_due = 0;
	if (n->cc & NVME_CC_EN)
		n->csts |= NVME_CSTS_RDY;
	else
		n->csts &= ~NVME_CSTS_RDY;
}

void slow_ready(struct nvme *n)
{
	if (!n->slow.ready_ms)
		return now_ready(n);
	n->slow.ready_due = server_now() + n->slow.ready_ms * 1000000ull;
}

bool slow_unreadable(const struct nvme *n)
{
	return n->slow.ones && n->slow.ready_due;
}

bool slow_delete(struct nvme *n, const struct nvme_sqe *cmd)
{
	struct slow *s = &n->slow;

	if (!s->delete_ms || s->deletes == SLOW_DELETES)
		return false;
	s->deleting[s->deletes] = *cmd;
	s->delete_due[s->deletes++] = server_now() + s->delete_ms * 1000000ull;
	return true;
}

void slow_forget_deletes(struct nvme *n)
{
	n->slow.deletes = 0;
}

/* In the order they were asked for: all take equally long. */
static bool delete_due(struct nvme *n, uint64_t now)
{
	struct slow *s = &n->slow;

	if (!s->deletes || s->delete_due[0] > now)
		return false;
	struct nvme_sqe cmd = s->deleting[0];
	s->deletes--;
	for (unsigned i = 0; i < s->deletes; i++) {
		s->deleting[i] = s->deleting[i + 1];
		s->delete_due[i] = s->delete_due[i + 1];
	}
	queue_complete(n, &n->sq[0], cmd.cid, admin_delete(n, &cmd), 0);
	return true;
}

bool slow_run(struct nvme *n)
{
	uint64_t now = server_now();
	bool some = false;

	if (n->slow.ready_due && n->slow.ready_due <= now) {
		now_ready(n);
		some = true;
	}
	while (delete_due(n, now))
		some = true;
	return some;
}

uint64_t slow_deadline(const struct nvme *n)
{
	const struct slow *s = &n->slow;
	uint64_t at = s->ready_due;

	if (s->deletes && (!at || s->delete_due[0] < at))
		at = s->delete_due[0];
	return at;
}
