/* SPDX-License-Identifier: MIT */
/*
 * record.c - what a supervisor must leave to its successor and nobody else knows.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Where:  a memfd that the keeper holds and nobody but supervisors maps. Two copies,
 *         written in turns: one that was being written when its writer died is older or
 *         does not add up, and the other one holds.
 *         A supervisor that takes over makes a new one, since it may have other devices.
 * What:   struct dev_record of each device, with its name, as it was at the end of a turn or just
 *         before a step that cannot be taken back. What was done since is seen from what there
 *         is: processes and fds at the keeper, and the device process, which tells again
 *         (adopt.c).
 * Trust:  none in a predecessor that may have died of what it wrote: sums and ranges.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor.h"

#define MAGIC 0x30647263657266ull

struct copy {
	uint64_t magic, sequence, sum; /* sum: of all behind it */
	uint64_t takeovers;
	int32_t  code;
	uint32_t stopping, count, loads, reload_asked;
	struct entry {
		char name[RF_NAME];
		struct dev_record r;
	} dev[];
};

_Static_assert(sizeof(struct copy) % 8 == 0 && sizeof(struct entry) % 8 == 0, "whole words");

/* The second copy lies in the middle. */
struct record {
	struct copy *copy[2];
	size_t bytes; /* of both */
};

static size_t copy_bytes(int devices)
{
	return (sizeof(struct copy) + (size_t)devices * sizeof(struct entry) + 63) / 64 * 64;
}

static uint64_t sum_of(const struct copy *c)
{
	const uint64_t *p = &c->takeovers, *end = (const void *)&c->dev[c->count];
	uint64_t sum = 0xcbf29ce484222325;

	/* By words: it is made in each turn, over all devices. */
	for (; p < end; p++)
		sum = ((sum ^ *p) * 0x100000001b3) ^ sum >> 29;
	return sum;
}

static int record_map(struct record *r, int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED || !p)
		return -ENOMEM;
	*r = (struct record){ .copy = { p, (void *)((char *)p + bytes / 2) }, .bytes = bytes };
	return 0;
}

void record_write(struct sup *s)
{
	struct copy *const *both = s->record->copy;
	uint64_t a = both[0]->sequence, b = both[1]->sequence, next = (a > b ? a : b) + 1;
	struct copy *c = both[next & 1];

	c->magic = 0; /* does not hold from here */
	atomic_signal_fence(memory_order_seq_cst);
	c->sequence = next;
	c->takeovers = s->takeovers;
	c->code = s->code;
	c->stopping = s->stopping;
	c->count = (uint32_t)s->count;
	c->loads = s->config->loads;
	c->reload_asked = s->reload.asked;
	for (int i = 0; i < s->count; i++) {
		memcpy(c->dev[i].name, s->dev[i].cfg->name, RF_NAME);
		c->dev[i].r = s->dev[i].r;
	}
	c->sum = sum_of(c);
	atomic_signal_fence(memory_order_seq_cst);
	c->magic = MAGIC;
}

int record_make(struct sup *s)
{
	static struct record record;
	const size_t bytes = 2 * copy_bytes(s->count);
	int fd = memfd_create("rf-record", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int err = ftruncate(fd, (off_t)bytes) ? -errno : record_map(&record, fd, bytes);
	if (!err) {
		s->record = &record;
		record_write(s);
		err = keep_store(s, "record", fd);
	}
	close(fd);
	return err;
}

/* ---- by a successor ---------------------------------------------------------------- */

static bool holds(const struct record *r, const struct copy *c)
{
	return c->magic == MAGIC && c->count <= 2 * RF_MAX_DEVICES &&
	       copy_bytes((int)c->count) <= r->bytes / 2 && c->sum == sum_of(c);
}

static bool makes_sense(const struct dev_record *d)
{
	bool sense = d->state < DEV_STATES && d->code >= 0 && d->code < 256 &&
		     d->queues <= RF_MAX_QUEUES && d->slot < 2 * RF_MAX_DEVICES;

	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		const struct queue_record *q = &d->queue[i];

		sense &= q->killed_for < DEATHS && q->generation <= q->last_up &&
			 q->last_up <= q->last_wanted && q->last_wanted <= d->last_wanted;
	}
	return sense;
}

/* The predecessor's devices, by their names: what is not in our configuration had ended. */
static int devices_take(struct sup *s, const struct copy *c)
{
	for (uint32_t k = 0; k < c->count; k++)
		for (int i = 0; i < s->count; i++) {
			struct dev *d = &s->dev[i];

			if (strncmp(d->cfg->name, c->dev[k].name, RF_NAME))
				continue;
			if (!makes_sense(&c->dev[k].r))
				return -EPROTO;
			d->r = c->dev[k].r;
			d->recorded = true;
			break;
		}
	return 0;
}

int record_read(struct sup *s, int fd, uint32_t *loads)
{
	struct stat st;
	struct record r = { 0 };

	if (fstat(fd, &st) || st.st_size < (off_t)(2 * copy_bytes(1)) || st.st_size % 128)
		return -EPROTO;
	int err = record_map(&r, fd, (size_t)st.st_size);
	if (err)
		return err;
	const struct copy *a = r.copy[0], *b = r.copy[1];
	if (!holds(&r, a) || (holds(&r, b) && b->sequence > a->sequence))
		a = b;
	if (holds(&r, a)) {
		s->takeovers = a->takeovers;
		s->code = a->code;
		s->stopping = a->stopping;
		s->reload.asked = a->reload_asked;
		*loads = a->loads;
		err = devices_take(s, a);
	} else {
		err = -EPROTO;
	}
	munmap(r.copy[0], r.bytes);
	return err;
}
