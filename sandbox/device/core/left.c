/* SPDX-License-Identifier: MIT */
/*
 * left.c - is the device as this process left it? One that reset itself lost its queues and,
 * with them, what its volatile cache held: acknowledged writes nobody flushed.
 *
 * Room:   sandbox/device/core.
 * When:   at each recovery before the device is touched, and before it is enabled again; and
 *         when the export has waited for answers for a while. A device that resets itself
 *         answers nothing more, so that this look, or else the age of some request, brings a
 *         recovery about before any flush is acknowledged. The data path reads no register.
 * Trust:  the device may deny it. It is believed about its cache anyhow.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "device.h"
#include "log.h"

/* Command, status, and from word 3 on the BARs: in one read. */
#define HEADER_WORDS 9u
#define HEADER_BARS  3u
_Static_assert(PCI_COMMAND + 4 * HEADER_BARS == PCI_BASE_ADDRESS_0, "type 0 header");
_Static_assert(sizeof(((struct rf_device *)0)->left_header) == 4 * HEADER_WORDS, "all of it");

static int header_read(struct rf_device *d, uint32_t word[HEADER_WORDS])
{
	return d->backend->config_read(d, PCI_COMMAND, word, 4 * HEADER_WORDS);
}

void left_note_header(struct rf_device *d)
{
	if (d->backend && header_read(d, d->left_header))
		memset(d->left_header, 0, sizeof(d->left_header));
}

/* Bits that were not set at start are not compared. */
static const char *header_changed(struct rf_device *d)
{
	const uint32_t *left = d->left_header;
	uint32_t word[HEADER_WORDS];

	if (header_read(d, word) || word[0] == ~0u)
		return "its configuration space cannot be read";
	if (left[0] & ~word[0] & PCI_COMMAND_MEMORY)
		return "it does not decode its BARs";
	if (left[0] & PCI_COMMAND_MASTER && !(word[0] & PCI_COMMAND_MASTER) == d->bus_master)
		return d->bus_master ? "it is no bus master any more" :
				       "it has become a bus master";
	return memcmp(word + HEADER_BARS, left + HEADER_BARS, 4 * (HEADER_WORDS - HEADER_BARS)) ?
		       "its BARs have moved" : NULL;
}

void left_as(struct rf_device *d, enum rf_left left)
{
	d->left = left;
	d->changed = d->header_changed = false;
}

bool left_changed(struct rf_device *d)
{
	const char *what = NULL, *header;

	if (!d->backend || d->left == RF_LEFT_UNKNOWN || d->changed)
		return d->changed;
	if (d->admin_ops && d->admin_ops->changed)
		what = d->admin_ops->changed(d);
	header = header_changed(d);
	what = what ? what : header;
	if (!what)
		return false;
	rf_log("%s: is not as it was left: %s; it may have reset itself", d->label, what);
	d->changed = true;
	d->header_changed = header != NULL;
	return true;
}
