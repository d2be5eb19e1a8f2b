/* SPDX-License-Identifier: MIT */
/*
 * nvme_order.c - I/O commands that are not done at once: slow ones, and all of them in a
 * controller that takes its time or its own order.
 *
 * Room:   tests/models. Base 3.4.1: commands of a queue have no order among each other.
 * Order:  with --reorder every second command, by chance, touches the disk when it is fetched
 *         and the others when they are completed, and any that is due may overtake any other.
 *         A reset ends them all, also those that were carried out and not yet answered.
 */
#include "nvme_model.h"

static bool heads(struct nvme *n)
{
	return fault_random(&n->order) & 1;
}

bool order_later(struct nvme *n, const struct sq *sq, const struct nvme_sqe *cmd, uint64_t us)
{
	struct delayed *d = &n->delayed[n->delayed_count];

	if (n->delayed_count == MAX_DELAYED)
		return false;
	*d = (struct delayed){
		.cmd = *cmd, .sqid = sq->id, .due = server_now() + us * 1000, .twist = n->twist
	};
	if (n->reorder && heads(n)) {
		d->executed = true;
		d->status = io_execute(n, cmd);
	}
	n->delayed_count++;
	NVME_COUNT(NC_DELAYED);
	return true;
}

bool order_held(struct nvme *n, const struct sq *sq, const struct nvme_sqe *cmd)
{
	uint64_t us = n->delay_min_us;

	if (n->delay_max_us > us)
		us += fault_random(&n->order) % (n->delay_max_us - us + 1);
	return (n->reorder || us) && order_later(n, sq, cmd, us);
}

static void finish(struct nvme *n, unsigned i)
{
	struct delayed d = n->delayed[i];

	n->delayed[i] = n->delayed[--n->delayed_count];
	n->twist = d.twist;
	if (d.orphan) {
		NVME_COUNT(NC_LATE);
		(void)io_execute(n, &d.cmd);
		n->twist = (struct twist){ .at_most = ~0ull };
		return;
	}
	queue_complete(n, &n->sq[d.sqid], d.cmd.cid, d.executed ? d.status : io_execute(n, &d.cmd),
		       0);
	n->twist = (struct twist){ .at_most = ~0ull };
}

/* Finishes what is due: all of it, one by one in turn, or by chance every second. */
static bool finish_due(struct nvme *n, uint64_t now, bool every)
{
	bool some = false;

	for (unsigned i = 0; i < n->delayed_count; i++) {
		struct cq *q = &n->cq[n->sq[n->delayed[i].sqid].cqid];
		if (n->delayed[i].due > now || (!n->delayed[i].orphan && queue_full(q)) ||
		    (!every && heads(n)))
			continue;
		finish(n, i--);
		some = true;
	}
	return some;
}

bool order_run(struct nvme *n)
{
	uint64_t now = server_now();

	/* Somebody is always next, or the loop would sleep on work that is due. */
	return finish_due(n, now, !n->reorder) || (n->reorder && finish_due(n, now, true));
}

uint64_t order_deadline(const struct nvme *n)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < n->delayed_count && !n->hung; i++)
		if (!at || n->delayed[i].due < at)
			at = n->delayed[i].due;
	return at;
}
