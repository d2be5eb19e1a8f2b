/* SPDX-License-Identifier: MIT */
/*
 * nvme_odd.c - a controller that is not what one expects: another command set, other bytes in
 * what it identifies itself with, another namespace.
 *
 * Room:   tests/models.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_model.h"

static int add_patch(struct odd *o, unsigned which, const char *value)
{
	char *end;
	unsigned long at = strtoul(value, &end, 0),
		      byte = *end == '=' ? strtoul(end + 1, &end, 0) : 256;

	if (*end || at >= NVME_PAGE || byte > 255 || o->patches == ODD_PATCHES)
		return -EINVAL;
	o->patch[o->patches++] = (struct odd_patch){ .which = (uint8_t)which, .at = (uint16_t)at,
						     .byte = (uint8_t)byte };
	return 0;
}

int odd_option(struct odd *o, const char *key, const char *value)
{
	static const char *const pages[ODD_PAGES] = { "id-ctrl", "id-ns", "id-limits" };
	char *end;
	unsigned long number = strtoul(value, &end, 0);

	for (unsigned i = 0; i < ODD_PAGES; i++)
		if (!strcmp(key, pages[i]))
			return add_patch(o, i, value);
	bool valid = end != value && !*end && number < 0xffffffff;
	if (!strcmp(key, "css"))
		o->css = (uint8_t)number;
	else if (!strcmp(key, "csi"))
		o->csi = (uint8_t)number;
	else if (!strcmp(key, "nsid"))
		o->nsid = (uint32_t)number;
	else
		return -ENOENT;
	return valid ? 0 : -EINVAL;
}

bool odd_patch(const struct odd *o, enum odd_page which, unsigned char *page)
{
	bool any = false;

	for (unsigned i = 0; i < o->patches; i++) {
		if (o->patch[i].which != which)
			continue;
		page[o->patch[i].at] = o->patch[i].byte;
		any = true;
	}
	return any;
}
