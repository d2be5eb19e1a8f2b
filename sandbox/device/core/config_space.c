/* SPDX-License-Identifier: MIT */
/*
 * config_space.c - PCI configuration space through the back end: a snapshot, and the few
 * bits this process turns. PCI Local Bus 3.0 section 6, PCI Express Base 7.5.
 *
 * Room:   sandbox/device/core. Trust: a capability list may loop or point anywhere.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "wait.h"

static int read16(struct rf_device *d, uint32_t at, uint16_t *value)
{
	return d->backend->config_read(d, at, value, 2);
}

int config_snapshot(struct rf_device *d)
{
	/* Conventional PCI has 256 bytes, and VFIO refuses to read past them. */
	if (d->backend->config_read(d, 0, d->config, d->config_size)) {
		rf_log("%s: cannot read its configuration space", d->label);
		return RF_EXIT_DEVICE;
	}
	if (d->config[0] == 0xff && d->config[1] == 0xff) {
		rf_log("%s: configuration space reads all ones: the device is gone", d->label);
		return RF_EXIT_DEVICE;
	}
	return 0;
}

/* What each admin plane knows how to initialise, whatever a policy lets through. */
static const struct admin_kind {
	const char *name;
	uint32_t class;       /* 0: any */
	uint16_t vendor;      /* 0: any */
	uint16_t device[8];   /* none: any */
} admin_kinds[RF_ADMINS] = {
	[RF_ADMIN_NVME] = { .name = "NVMe controllers", .class = 0x010802 },
	[RF_ADMIN_E1000E] = { "Intel's 82574", 0, 0x8086, { 0x10d3, 0x10f6 } },
	[RF_ADMIN_IGB] = { "Intel's 82576", 0, 0x8086,
			     { 0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526 } },
	[RF_ADMIN_VIRTIO_NET] = { "virtio network devices", 0, 0x1af4, { 0x1041, 0x1000 } },
	[RF_ADMIN_VIRTIO_BLK] = { "virtio block devices", 0, 0x1af4, { 0x1042, 0x1001 } },
};

static bool admin_fits(const struct admin_kind *k, uint32_t vendor, uint32_t device,
		       uint32_t class)
{
	bool listed = !k->device[0];

	for (unsigned i = 0; i < 8; i++)
		listed |= k->device[i] == device && device;
	return listed && (!k->class || k->class == class) && (!k->vendor || k->vendor == vendor);
}

int config_match(struct rf_device *d)
{
	const uint8_t *c = d->config;
	uint32_t vendor = c[0] | (uint32_t)c[1] << 8, device = c[2] | (uint32_t)c[3] << 8;
	uint32_t class = c[9] | (uint32_t)c[10] << 8 | (uint32_t)c[11] << 16;
	const struct rf_device_config *want = &d->cfg;
	const struct admin_kind *kind = &admin_kinds[want->admin];

	if ((want->match_class != ~0u && want->match_class != class) ||
	    (want->match_vendor != ~0u && want->match_vendor != vendor) ||
	    (want->match_device != ~0u && want->match_device != device)) {
		rf_log("%s: device %04x:%04x of class %06x is not what its policy is for", d->label,
		       vendor, device, class);
		return RF_EXIT_NO_DEVICE;
	}
	if (!admin_fits(kind, vendor, device, class)) {
		rf_log("%s: device %04x:%04x of class %06x is none of those its policy's 'control' "
		       "line is for: %s",
		       d->label, vendor, device, class, kind->name);
		return RF_EXIT_NO_DEVICE;
	}
	return 0;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	uint32_t value;

	memcpy(&value, d->config + at, 4);
	return value;
}

void config_find_msix(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	d->msix_table_bar = d->msix_pba_bar = ~0u;
	if (!at)
		return;
	uint32_t count = (config_word(d, at) >> 16 & PCI_MSIX_FLAGS_QSIZE) + 1;
	uint32_t table = config_word(d, at + PCI_MSIX_TABLE),
		 pba = config_word(d, at + PCI_MSIX_PBA);
	d->msix_table_bar = table & PCI_MSIX_TABLE_BIR;
	d->msix_table = table & PCI_MSIX_TABLE_OFFSET;
	d->msix_table_end = d->msix_table + 16ull * count;
	d->msix_pba_bar = pba & PCI_MSIX_PBA_BIR;
	d->msix_pba = pba & PCI_MSIX_PBA_OFFSET;
	d->msix_pba_end = d->msix_pba + (count + 63) / 64 * 8;
}

uint32_t config_find(const struct rf_device *d, uint8_t id, uint32_t bytes)
{
	uint32_t at = d->config[PCI_CAPABILITY_LIST] & ~3u;

	/* At most as many as fit, so that a loop ends. */
	for (int left = (256 - PCI_STD_HEADER_SIZEOF) / 4; left && at >= PCI_STD_HEADER_SIZEOF;
	     left--) {
		if (d->config[at] == id)
			return at + bytes <= PCI_CFG_SPACE_SIZE ? at : 0;
		at = d->config[at + 1] & ~3u;
	}
	return 0;
}

/* PCI Express Base 7.6.3: the same beyond the first 256 bytes, whose links are 12 bits wide. */
static uint32_t find_extended(const struct rf_device *d, uint16_t id)
{
	uint32_t at = PCI_CFG_SPACE_SIZE;

	for (int left = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8; left; left--) {
		if (at < PCI_CFG_SPACE_SIZE || at + 8 > d->config_size)
			return 0;
		uint32_t header = config_word(d, at);
		if (PCI_EXT_CAP_ID(header) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(header) & ~3u;
	}
	return 0;
}

/* Refuses a device that may send translated addresses (ATS): it would bypass the IOMMU. */
int config_fenced(const struct rf_device *d)
{
	uint32_t at = find_extended(d, PCI_EXT_CAP_ID_ATS);

	if (!at || !(config_word(d, at + 4) >> 16 & PCI_ATS_CTRL_ENABLE))
		return 0;
	rf_log("%s: its address translation services (ATS) are on, by which a device gets around "
	       "the "
	       "IOMMU: boot with pci=noats",
	       d->label);
	return RF_EXIT_NO_IOMMU;
}

int config_bus_master(struct rf_device *d, bool on)
{
	uint16_t command, wanted;
	int err = read16(d, PCI_COMMAND, &command);

	if (err || command == 0xffff)
		return -EIO;
	d->bus_master = on;
	wanted = (uint16_t)(on ? command | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY
			       : command & ~PCI_COMMAND_MASTER);
	return wanted == command ? 0 : d->backend->config_write(d, PCI_COMMAND, &wanted, 2);
}

/* Polls Transactions Pending in Device Status for at most a second. Without PCIe there is no
 * such bit, and no wait. */
int config_wait_idle(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_EXP, PCI_EXP_DEVSTA + 2);
	uint64_t deadline = rf_now_ns() + 1000000000u;
	uint16_t status;

	if (!at)
		return 0;
	do {
		if (read16(d, at + PCI_EXP_DEVSTA, &status) || status == 0xffff)
			return -EIO;
		if (!(status & PCI_EXP_DEVSTA_TRPND))
			return 0;
		rf_sleep_ns(50000);
	} while (rf_now_ns() < deadline);
	return -ETIMEDOUT;
}
