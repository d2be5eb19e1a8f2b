/* SPDX-License-Identifier: MIT */
/* format_order.c - see format_order.h. Room: sandbox/zygote, root. */
#include "export_config.h"
#include "format_order.h"

#include <string.h>

#include "log.h"

static const struct {
	const char *word;
	uint32_t    flags;
} orders[] = {
	{ "format", 0 },
	{ "adopt", RF_EXPORT_FORMAT_ADOPT },
	{ "reformat", RF_EXPORT_FORMAT_AGAIN },
};
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

static const struct rf_config_device *device_named(const struct rf_config *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (!strcmp(c->device[i].name, name))
			return &c->device[i];
	return NULL;
}

/* Leaves one device, with the format export in the place of its own. */
static void leave_only(struct rf_config *c, const struct rf_config_device *named, uint32_t flags)
{
	struct rf_config_device *d = &c->device[0];

	memmove(d, named, sizeof(*d));
	c->count = 1;
	d->export_kind = RF_EXPORT_FORMAT;
	d->listen[0] = d->stack[0] = '\0';
	d->stack_index = 0;
	d->integrity_disk = flags;
}

int rf_format_only(struct rf_config *c, const char *file, const char *device, const char *how)
{
	const struct rf_config_device *d = device_named(c, device);
	size_t n = 0;

	while (n < ORDERS && strcmp(orders[n].word, how))
		n++;
	if (n == ORDERS)
		return RF_EXIT_USAGE;
	if (!d)
		rf_log("%s: no device is called %s", file, device);
	else if (!d->integrity_disk)
		rf_log("%s: device %s has no 'integrity disk' line: there is nothing to format",
		       file, device);
	else if (d->read_only)
		rf_log("%s: device %s is 'read-only': it cannot be formatted", file, device);
	if (!d || !d->integrity_disk || d->read_only)
		return RF_EXIT_CONFIG;
	leave_only(c, d, orders[n].flags);
	return 0;
}

int rf_format_code(int code)
{
	if (code == RF_EXIT_FORMATTED)
		return 0;
	if (code)
		return code;
	rf_log("it was stopped before it was done: the disk has no checksum area now, or none yet");
	return RF_EXIT_FAILED;
}
