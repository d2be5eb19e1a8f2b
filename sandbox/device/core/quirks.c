/* SPDX-License-Identifier: MIT */
/*
 * quirks.c - devices whose resets do not work as their specification says.
 *
 * Room:   sandbox/device/core. By PCI id, which is the device's word: a wrong one costs a
 *         method, never the confirmation that the device is quiet.
 * Add:    what was seen on the device itself, and how. What Linux knows of VFIO's own
 *         resets (FLR that hangs, delays after it) it heeds itself below VFIO.
 */
#include <linux/pci_regs.h>
#include <stddef.h>

#include "device.h"
#include "log.h"

static const struct rf_quirk quirks[] = {
	/* QEMU 7.2: CC.EN cleared with reads in flight frees their queue, and a completion into
	 * it ends QEMU: 2 of some 3,000 kills. With the queues deleted before, none. */
	{ 0x1b36, 0x0010, 0x11001af4, RF_QUIRK_QUEUES_FIRST,
	  "its queues are deleted before it is disabled" },
	/* QEMU 7.2 and 11.1: VIRTIO_F_RING_RESET is offered for every device, and queue_reset
	 * reads 0 at once; only its network device gives up what was under way. A disk's old
	 * requests are completed in the new queue (tests/guest/queue_reset.sh). */
	{ 0x1af4, 0x1042, 0x11001af4, RF_QUIRK_NO_QUEUE_RESET,
	  "queue_reset does not end its requests, so that a dead driver costs a reset" },
	/* QEMU: neither FLR nor power management. The kernel says so each time, after looking for
	 * them; a reset of the bus works. */
	{ 0x1234, 0x11e8, 0, RF_QUIRK_NO_FUNCTION_RESET, "only its bus can be reset" },
};

const struct rf_quirk *rf_quirk_find(uint16_t vendor, uint16_t device, uint32_t subsystem)
{
	for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++)
		if (quirks[i].vendor == vendor && quirks[i].device == device &&
		    (!quirks[i].subsystem || quirks[i].subsystem == subsystem))
			return &quirks[i];
	return NULL;
}

void quirks_look(struct rf_device *d)
{
	const uint8_t *c = d->config;
	const struct rf_quirk *q = rf_quirk_find((uint16_t)(c[0] | c[1] << 8),
						 (uint16_t)(c[2] | c[3] << 8),
						 config_word(d, PCI_SUBSYSTEM_VENDOR_ID));

	if (!q)
		return;
	d->quirks = q->flags;
	rf_log("%s: quirk of this device: %s", d->label, q->what);
}
