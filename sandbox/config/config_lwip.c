/* SPDX-License-Identifier: MIT */
/*
 * config_lwip.c - reads what the configuration says of TCP/IP stacks: a net device with
 * 'export lwip' has one, disks with 'export lwip NAME' are served in it.
 *
 * Room:   sandbox/config. See read.h; the keys are lwip_config.h's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "read.h"

/* export lwip: of a net device; export lwip NAME: of a disk */
int rf_config_export_lwip(struct rf_config_device *d, struct rf_words *w)
{
	if (w->count > 3 || (w->count == 3 && strlen(w->word[2]) >= sizeof(d->stack)))
		return rf_words_error(
			w, "write as 'export lwip' for a net device, 'export lwip NAME' for "
			   "a disk that is served in the stack of device NAME");
	d->export_kind = w->count == 3 ? RF_EXPORT_LWIP_DISK : RF_EXPORT_LWIP;
	strcpy(d->stack, w->count == 3 ? w->word[2] : "");
	return 0;
}

int rf_config_lwip_key(struct rf_config_device *d, struct rf_words *w)
{
	int err = rf_lwip_config_line(&d->lwip, w);

	if (!err)
		snprintf(d->lwip_key, sizeof(d->lwip_key), "%s", w->word[0]);
	return err;
}

static int device_find(const struct rf_config *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (!strcmp(c->device[i].name, name))
			return i;
	return -1;
}

/* A disk line of stack `nic`: numbers the disk. */
static int disk_number(const char *file, struct rf_config *c, int nic,
		       struct rf_lwip_service *service)
{
	struct rf_config_device *d = &c->device[nic];
	int disk = device_find(c, service->device);
	uint32_t n = 0;

	if (disk < 0 || c->device[disk].export_kind != RF_EXPORT_LWIP_DISK ||
	    strcmp(c->device[disk].stack, d->name)) {
		rf_log("%s: device %s: its 'disk %s' needs a device %s with the line 'export lwip "
		       "%s'",
		       file, d->name, service->device, service->device, d->name);
		return -EINVAL;
	}
	while (n < d->lwip.disks && d->disk[n] != disk)
		n++;
	if (n == RF_LWIP_DISKS) {
		rf_log("%s: device %s: more than %d disks in one stack", file, d->name,
		       RF_LWIP_DISKS);
		return -EINVAL;
	}
	if (n == d->lwip.disks)
		d->disk[d->lwip.disks++] = disk;
	service->disk = n;
	service->read_only |= c->device[disk].read_only;
	return 0;
}

static int stack_finish(const char *file, struct rf_config *c, int nic)
{
	struct rf_lwip_config *l = &c->device[nic].lwip;
	int err = 0;

	for (uint32_t i = 0; i < l->count && !err; i++)
		if (l->service[i].job == RF_LWIP_DISK)
			err = disk_number(file, c, nic, &l->service[i]);
	return err;
}

static int disk_finish(const char *file, struct rf_config *c, int disk)
{
	struct rf_config_device *d = &c->device[disk];
	int nic = device_find(c, d->stack);

	if (nic < 0 || c->device[nic].export_kind != RF_EXPORT_LWIP) {
		rf_log("%s: device %s: there is no device %s with the line 'export lwip'", file,
		       d->name, d->stack);
		return -EINVAL;
	}
	d->stack_index = nic;
	for (uint32_t i = 0; i < c->device[nic].lwip.disks; i++)
		if (c->device[nic].disk[i] == disk)
			return 0;
	rf_log("%s: device %s: %s has no line 'disk %s lwip-tcp ADDR:PORT', so nobody would see it",
	       file, d->name, d->stack, d->name);
	return -EINVAL;
}

int rf_config_lwip_finish(const char *file, struct rf_config *c)
{
	int err = 0;

	for (int i = 0; i < c->count && !err; i++) {
		const struct rf_config_device *d = &c->device[i];

		if (d->export_kind == RF_EXPORT_LWIP) {
			err = stack_finish(file, c, i);
		} else if (d->lwip_key[0]) {
			rf_log("%s: device %s: '%s' is a key of a stack, and only a device with "
			       "the line "
			       "'export lwip' has one",
			       file, d->name, d->lwip_key);
			err = -EINVAL;
		}
	}
	for (int i = 0; i < c->count && !err; i++)
		if (c->device[i].export_kind == RF_EXPORT_LWIP_DISK)
			err = disk_finish(file, c, i);
	return err;
}
