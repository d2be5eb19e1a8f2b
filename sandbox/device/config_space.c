/* SPDX-License-Identifier: MIT */
/*
 * config_space.c - PCI configuration space through VFIO: a snapshot, and the few
 * bits this process turns. PCI Local Bus 3.0 section 6, PCI Express Base 7.5.
 *
 * Room:   sandbox/device. Trust: a capability list may loop or point anywhere.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "log.h"

static int read16(struct rf_device *d, uint32_t at, uint16_t *value)
{
	return pread(d->vfio, value, 2, (off_t)(d->config_offset + at)) == 2 ? 0 : -EIO;
}

int config_snapshot(struct rf_device *d)
{
	/* Conventional PCI has 256 bytes, and VFIO refuses to read past them. */
	ssize_t n = pread(d->vfio, d->config, d->config_size, (off_t)d->config_offset);

	if (n < PCI_STD_HEADER_SIZEOF) {
		rf_log("%s: cannot read its configuration space", d->cfg.pci);
		return RF_EXIT_DEVICE;
	}
	d->config_size = (uint32_t)n;
	if (d->config[0] == 0xff && d->config[1] == 0xff) {
		rf_log("%s: configuration space reads all ones: the device is gone", d->cfg.pci);
		return RF_EXIT_DEVICE;
	}
	return 0;
}

uint32_t config_find(const struct rf_device *d, uint8_t id)
{
	uint32_t at = d->config[PCI_CAPABILITY_LIST] & ~3u;

	/* At most as many as fit, so that a loop ends. */
	for (int left = (256 - PCI_STD_HEADER_SIZEOF) / 4; left && at >= PCI_STD_HEADER_SIZEOF; left--) {
		if (d->config[at] == id)
			return at;
		at = d->config[at + 1] & ~3u;
	}
	return 0;
}

int config_bus_master(struct rf_device *d, bool on)
{
	uint16_t command;
	int err = read16(d, PCI_COMMAND, &command);

	if (err || command == 0xffff)
		return -EIO;
	command = (uint16_t)(on ? command | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY
				: command & ~PCI_COMMAND_MASTER);
	return pwrite(d->vfio, &command, 2, (off_t)(d->config_offset + PCI_COMMAND)) == 2 ? 0 : -EIO;
}

/* Device Status, Transactions Pending: polled for at most a second. No PCIe: nothing
 * tells, so nothing is waited for. */
int config_wait_idle(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_EXP);
	uint64_t deadline = now_ns() + 1000000000u;
	uint16_t status;

	if (!at)
		return 0;
	do {
		if (read16(d, at + PCI_EXP_DEVSTA, &status) || status == 0xffff)
			return -EIO;
		if (!(status & PCI_EXP_DEVSTA_TRPND))
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	} while (now_ns() < deadline);
	return -ETIMEDOUT;
}
