/* SPDX-License-Identifier: MIT */
/*
 * devices.c - the table of devices: which there are, and what each of them is.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Order:  those of the configuration come first, as they stand there. Behind them come those that
 *         it had before it was read anew, and has no more. One that it has otherwise now is one
 *         device, which is the old one until that has ended (r.former), and then the new one.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "supervisor.h"

/* Memory for good: our list of system calls has no others. */
static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Index of the device of that name from `first` on; -1: there is none. */
static int entry_named(const struct rf_config *c, const char *name, int first, int behind)
{
	for (int i = first; i < behind; i++)
		if (!strcmp(c->device[i].name, name))
			return i;
	return -1;
}

static void dev_is(struct sup *s, struct dev *d, int index)
{
	d->cfg = &s->config->device[index];
	d->index = index;
}

static void dev_add(struct sup *s, int index)
{
	struct dev *d = &s->dev[s->count++];

	dev_is(s, d, index);
	for (int f = 0; f < DEV_FDS; f++)
		d->fd[f] = -1;
}

int devices_make(struct sup *s)
{
	const struct rf_config *c = s->config;
	const size_t most = (size_t)(c->count + c->gone);

	s->dev = memory(most * sizeof(*s->dev));
	s->poll = memory((2 + most + RF_CLIENTS) * sizeof(struct pollfd));
	if (!s->dev || !s->poll)
		return -ENOMEM;
	for (int i = 0; i < c->count; i++)
		dev_add(s, i);
	for (int i = c->count; i < c->count + c->gone; i++)
		if (entry_named(c, c->device[i].name, 0, c->count) < 0)
			dev_add(s, i);
	return 0;
}

/* One that was not there before gets users of its own: nobody's of those that are there, or still
 * are. Those in front of it have theirs already. */
static void slot_take(struct sup *s, struct dev *d)
{
	static uint8_t taken[2 * RF_MAX_DEVICES];
	uint32_t slot = 0;

	memset(taken, 0, sizeof(taken));
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].recorded || i < d - s->dev)
			taken[s->dev[i].r.slot] = 1;
	while (slot < sizeof(taken) && taken[slot])
		slot++;
	RF_BUG_ON(slot == sizeof(taken));
	d->r.slot = slot;
}

/* What a predecessor knew: is it still what that had, or what the configuration says now? */
static void dev_settle(struct sup *s, struct dev *d, bool reloaded)
{
	const struct rf_config *c = s->config;
	const int own = (int)(d - s->dev);
	const int old = entry_named(c, d->cfg->name, c->count, c->count + c->gone);

	if (reloaded && d->r.former) {
		/* It had gone, and is back. */
		d->r = (struct dev_record){ 0 };
		d->recorded = false;
		return;
	}
	if (reloaded)
		d->r.former = old >= 0;
	if (!d->r.former)
		return;
	RF_BUG_ON(old < 0);
	d->next = own < c->count ? d->cfg : NULL;
	dev_is(s, d, old);
}

void devices_settle(struct sup *s, bool reloaded)
{
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].recorded)
			dev_settle(s, &s->dev[i], reloaded);
	for (int i = 0; i < s->count; i++) {
		struct dev *d = &s->dev[i];

		if (d->recorded)
			continue;
		slot_take(s, d);
		d->r.former = i >= s->config->count;
		d->r.state = d->r.former ? DEV_OFF : DEV_WAITING;
		/* After what goes, which may have what it needs. */
		d->r.retry_ns = reloaded ? ~0ull : 0;
	}
}

bool dev_over(const struct dev *d)
{
	return d->r.former && !d->next && d->r.state == DEV_OFF;
}

bool devices_leaving(const struct sup *s)
{
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].r.former && !dev_over(&s->dev[i]))
			return true;
	return false;
}

void dev_becomes_next(struct sup *s, struct dev *d)
{
	d->r = (struct dev_record){ .slot = d->r.slot, .losses = d->r.losses,
				    .exit_acked = d->r.exit_acked };
	dev_is(s, d, (int)(d->next - s->config->device));
	d->next = NULL;
	d->r.state = s->stopping ? DEV_OFF : DEV_WAITING;
	d->r.retry_ns = ~0ull; /* until nothing leaves any more */
}

struct dev *dev_entry(struct sup *s, int index)
{
	if (index < s->config->count)
		return &s->dev[index];
	for (int i = s->config->count; i < s->count; i++)
		if (s->dev[i].index == index)
			return &s->dev[i];
	rf_die(RF_EXIT_BUG, "no device %d", index);
}

uint32_t dev_uid(const struct sup *s, const struct dev *d, uint32_t role)
{
	RF_BUG_ON(role >= RF_UIDS_EACH);
	return s->config->uid_base + RF_UID_DEVICES + d->r.slot * RF_UIDS_EACH + role;
}
