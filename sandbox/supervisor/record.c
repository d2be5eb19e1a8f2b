/* SPDX-License-Identifier: MIT */
/*
 * record.c - what a supervisor must leave to its successor and nobody else knows.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Where:  a memfd that the keeper holds and nobody but supervisors maps. Two copies,
 *         written in turns: one that was being written when its writer died is older or
 *         does not add up, and the other one holds.
 * What:   struct dev_record of each device, as it was at the end of a turn or just before a step
 *         that cannot be taken back. What was done since is seen from what there is: processes
 *         and fds at the keeper, and the device process, which tells again (adopt.c).
 * Trust:  none in a predecessor that may have died of what it wrote: sums and ranges.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor.h"

#define MAGIC 0x30647263657266ull

struct copy {
	uint64_t magic, sequence, sum; /* sum: of all behind it */
	uint64_t takeovers;
	int32_t  code;
	uint32_t stopping, count, reserved;
	struct dev_record dev[RF_MAX_DEVICES];
};

struct record {
	struct copy copy[2];
};

static uint64_t sum_of(const struct copy *c)
{
	const unsigned char *p = (const unsigned char *)&c->takeovers;
	uint64_t sum = 0xcbf29ce484222325;

	for (const unsigned char *end = (const unsigned char *)&c->dev[c->count]; p < end; p++)
		sum = (sum ^ *p) * 0x100000001b3;
	return sum;
}

static int record_map(struct sup *s, int fd)
{
	void *p = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->record = p;
	return 0;
}

void record_write(struct sup *s)
{
	struct copy *c = s->record->copy;
	uint64_t next = (c[0].sequence > c[1].sequence ? c[0].sequence : c[1].sequence) + 1;

	c += next & 1;
	c->magic = 0; /* does not hold from here */
	atomic_signal_fence(memory_order_seq_cst);
	c->sequence = next;
	c->takeovers = s->takeovers;
	c->code = s->code;
	c->stopping = s->stopping;
	c->count = (uint32_t)s->config.count;
	for (int i = 0; i < s->config.count; i++)
		c->dev[i] = s->dev[i].r;
	c->sum = sum_of(c);
	atomic_signal_fence(memory_order_seq_cst);
	c->magic = MAGIC;
}

int record_make(struct sup *s)
{
	int fd = memfd_create("rf-record", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int err = ftruncate(fd, sizeof(struct record)) ? -errno : record_map(s, fd);
	if (!err) {
		record_write(s);
		err = keep_store(s, "record", fd);
	}
	close(fd);
	return err;
}

/* ---- by a successor ---------------------------------------------------------------- */

static bool holds(const struct sup *s, const struct copy *c)
{
	return c->magic == MAGIC && c->count == (uint32_t)s->config.count && c->sum == sum_of(c);
}

static bool makes_sense(const struct dev_record *d)
{
	bool sense = d->state < DEV_STATES && d->code >= 0 && d->code < 256 &&
		     d->queues <= RF_MAX_QUEUES;

	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		const struct queue_record *q = &d->queue[i];

		sense &= q->killed_for < DEATHS && q->generation <= q->last_up &&
			 q->last_up <= q->last_wanted && q->last_wanted <= d->last_wanted;
	}
	return sense;
}

int record_read(struct sup *s, int fd)
{
	int err = record_map(s, fd);

	if (err)
		return err;
	const struct copy *a = &s->record->copy[0], *b = &s->record->copy[1];
	if (!holds(s, a) || (holds(s, b) && b->sequence > a->sequence))
		a = b;
	if (!holds(s, a))
		return -EPROTO;
	s->takeovers = a->takeovers;
	s->code = a->code;
	s->stopping = a->stopping;
	for (int i = 0; i < s->config.count; i++) {
		s->dev[i].r = a->dev[i];
		if (!makes_sense(&s->dev[i].r))
			return -EPROTO;
	}
	return 0;
}
