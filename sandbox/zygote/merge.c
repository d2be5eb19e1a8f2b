/* SPDX-License-Identifier: MIT */
/* merge.c - see merge.h. Room: sandbox/zygote, root. */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Of the device of that name; -1: there is none. */
static int merge_find(const struct rf_config *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (!strcmp(c->device[i].name, name))
			return i;
	return -1;
}

/* A copy without indexes: devices are the same wherever they stand in the file. The names by which
 * they were found are compared. */
static void copy_plain(struct rf_config_device *to, const struct rf_config_device *d)
{
	memcpy(to, d, sizeof(*to));
	memset(to->disk, 0, sizeof(to->disk));
	to->stack_index = 0;
}

/* Bytes between members count too: records are made in memory that was zero. One that differed
 * there would cost a restart, and nothing worse. */
static bool merge_same(const struct rf_config_device *a, const struct rf_config_device *b)
{
	static struct rf_config_device one, other;

	copy_plain(&one, a);
	copy_plain(&other, b);
	return !memcmp((const char *)&one, (const char *)&other, sizeof(one));
}

static bool merge_in_stack(const struct rf_config_device *d)
{
	return d->export_kind == RF_EXPORT_LWIP || d->export_kind == RF_EXPORT_LWIP_DISK;
}

/* ---- what cannot change -------------------------------------------------------- */

/* A stack is one process of several devices, with the connections of all of them. It may come or go
 * as a whole: nothing in it changes, and a NIC whose disks do has changed itself. */
static int device_refused(const struct rf_config_device *old, const struct rf_config_device *new)
{
	if (!merge_in_stack(old) && !merge_in_stack(new))
		return 0;
	rf_log("device %s is part of a stack ('export lwip'), and has changed: that takes a stop "
	       "and a start of all; nothing is changed now", new->name);
	return RF_EXIT_CONFIG;
}

static int refused(const struct rf_config *old, const struct rf_config *new)
{
	const char *what = strcmp(old->run_dir, new->run_dir) ? "run-dir" :
			   strcmp(old->program_dir, new->program_dir) ? "program-dir" : NULL;

	if (!what)
		return 0;
	rf_log("'%s' is another one than what runs has: that takes a stop and a start of all; "
	       "nothing is changed now", what);
	return RF_EXIT_CONFIG;
}

/* ---- both in one ------------------------------------------------------------------ */

struct merge {
	const struct rf_config *old, *new;
	bool say;
	int  was[RF_MAX_DEVICES];   /* of each new device: which old one it is; -1: none */
	int  goes[RF_MAX_DEVICES];  /* of each old device: where it stands behind the new ones; */
	int  gone, changed, added;  /* -1: it stays */
};

static void tell(const struct merge *m, const struct rf_config_device *d, const char *what)
{
	if (m->say)
		rf_log("%s: %s", d->name, what);
}

static int compare(struct merge *m)
{
	int err = 0;

	for (int j = 0; j < m->old->count; j++)
		m->goes[j] = -2;
	for (int i = 0; i < m->new->count && !err; i++) {
		const struct rf_config_device *new = &m->new->device[i];
		int j = m->was[i] = merge_find(m->old, new->name);

		if (j < 0) {
			m->added++;
		} else if (merge_same(&m->old->device[j], new)) {
			m->goes[j] = -1;
		} else {
			m->changed++;
			err = device_refused(&m->old->device[j], new);
		}
	}
	for (int j = 0; j < m->old->count; j++)
		if (m->goes[j] == -2)
			m->goes[j] = m->new->count + m->gone++;
	return err;
}

static void say_all(const struct merge *m)
{
	for (int i = 0; i < m->new->count; i++)
		if (m->was[i] < 0)
			tell(m, &m->new->device[i], "new: it starts");
		else if (m->goes[m->was[i]] >= 0)
			tell(m, &m->new->device[i], "changed: it restarts");
	for (int j = 0; j < m->old->count; j++)
		if (m->goes[j] >= 0 && merge_find(m->new, m->old->device[j].name) < 0)
			tell(m, &m->old->device[j], "not there any more: it stops");
	if (m->say)
		rf_log("%d new, %d changed, %d gone, %d as they were", m->added, m->changed,
		       m->gone - m->changed, m->new->count - m->added - m->changed);
}

/* A device that goes: whom it speaks of goes too, or it would have changed. */
static void append(const struct merge *m, int j, struct rf_config *to)
{
	struct rf_config_device *d = &to->device[m->goes[j]];

	*d = m->old->device[j];
	if (d->export_kind == RF_EXPORT_LWIP_DISK)
		d->stack_index = m->goes[d->stack_index];
	else
		d->stack_index = 0;
	for (uint32_t k = 0; k < d->lwip.disks; k++)
		d->disk[k] = m->goes[d->disk[k]];
}

int rf_config_merge(const struct rf_config *old, const struct rf_config *new, bool say,
		    struct rf_config **merged)
{
	struct merge m = { .old = old, .new = new, .say = say };
	int err = refused(old, new);

	if (!err)
		err = compare(&m);
	if (err)
		return err;
	struct rf_config *c = calloc(1, rf_config_bytes(new->count + m.gone));

	if (!c) {
		rf_log("no memory for the configuration");
		return RF_EXIT_SYSTEM;
	}
	memcpy(c, new, rf_config_bytes(new->count));
	c->gone = m.gone;
	c->loads = old->loads + 1;
	for (int j = 0; j < old->count; j++)
		if (m.goes[j] >= 0)
			append(&m, j, c);
	say_all(&m);
	*merged = c;
	return 0;
}
