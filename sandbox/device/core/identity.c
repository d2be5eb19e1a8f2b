/* SPDX-License-Identifier: MIT */
/*
 * identity.c - which disk it is, in words: see identity.h.
 *
 * Room:   sandbox/device/core.
 * Trust:  strings of the device's, of a fixed size: what is not printable becomes '?', so that
 *         they can be shown, and quotes and backslashes do, so that they can be shown anywhere.
 */
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device.h"

static bool blank(char c)
{
	return c == ' ' || c == '\0';
}

void identity_words(struct rf_device *d, const char *format, ...)
{
	struct rf_identity *i = &d->disk;
	size_t used = strlen(i->text);
	va_list args;

	va_start(args, format);
	vsnprintf(i->text + used, sizeof(i->text) - used, format, args);
	va_end(args);
}

bool identity_string(struct rf_device *d, const char *before, const char *from, size_t bytes,
		     const char *behind)
{
	char text[RF_IDENTITY_BYTES] = "";

	while (bytes && blank(*from))
		from++, bytes--;
	while (bytes && blank(from[bytes - 1]))
		bytes--;
	for (size_t i = 0; i < bytes && i + 1 < sizeof(text); i++)
		text[i] = (char)(from[i] < ' ' || from[i] > '~' || from[i] == '"' ||
						 from[i] == '\\' ?
					 '?' :
					 from[i]);
	if (text[0])
		identity_words(d, "%s%s%s", before, text, behind);
	return text[0];
}

bool identity_number(struct rf_device *d, const char *before, const uint8_t *from, size_t bytes)
{
	bool any = false;

	for (size_t i = 0; i < bytes; i++)
		any |= from[i] != 0;
	for (size_t i = 0; i < bytes && any; i++)
		identity_words(d, "%s%02x", i ? "" : before, from[i]);
	return any;
}

void identity_complete(struct rf_device *d)
{
	if (d->cfg.service != RF_SERVICE_BLOCK || !d->backend || rf_identity_known(&d->disk))
		return;
	uint32_t id = config_word(d, PCI_VENDOR_ID);

	identity_words(d, "%04x:%04x, %llu bytes, no serial number", id & 0xffff, id >> 16,
		       (unsigned long long)d->info.size);
}

bool identity_other(const struct rf_device *d)
{
	return rf_identity_known(&d->cfg.disk) && !rf_identity_same(&d->cfg.disk, &d->disk);
}
