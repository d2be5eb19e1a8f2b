/* SPDX-License-Identifier: MIT */
/*
 * pci_bringup.c - what firmware and kernel VFIO do for a PCI function before a driver
 * sees it, done here for a device that nobody has done it for: BAR addresses, decoding,
 * bus mastering, MSI and MSI-X.
 *
 * Room:   sandbox/device/core. PCI Local Bus 3.0, 6.2.5 (base addresses), 6.8 (MSI, MSI-X).
 *         Nothing decodes these addresses; a device that thinks it lies at 0 does not
 *         answer.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

#include "device.h"
#include "log.h"

#define MEMORY_FIRST 0x80000000u
#define MEMORY_END   0xfe000000u
#define PORTS_FIRST  0x1000u
#define PORTS_END    0x10000u

struct space { uint64_t next, end; };

static int read_bar(struct rf_device *d, unsigned bar, uint32_t *value)
{
	return d->backend->config_read(d, PCI_BASE_ADDRESS_0 + 4 * bar, value, 4);
}

static int write_bar(struct rf_device *d, unsigned bar, uint32_t value)
{
	return d->backend->config_write(d, PCI_BASE_ADDRESS_0 + 4 * bar, &value, 4);
}

/* 6.2.5.1: writes all ones; the bits that stay zero give the size. */
static int place_bar(struct rf_device *d, unsigned bar, struct space *memory, struct space *ports,
		     bool *wide)
{
	uint32_t sized;
	int err;

	*wide = false;
	if ((err = write_bar(d, bar, ~0u)) || (err = read_bar(d, bar, &sized)))
		return err;
	bool io = sized & PCI_BASE_ADDRESS_SPACE_IO;
	uint32_t mask = io ? (uint32_t)PCI_BASE_ADDRESS_IO_MASK & 0xffff :
			     (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	struct space *s = io ? ports : memory;
	uint64_t size = (sized & mask) & -(uint64_t)(sized & mask); /* its lowest bit */

	*wide = !io && bar < 5 &&
		(sized & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (size < d->bar[bar].bytes)
		for (size = 16; size < d->bar[bar].bytes && size; size *= 2)
			;
	if (size < RF_PAGE && !io)
		size = RF_PAGE;
	uint64_t at = (s->next + size - 1) & ~(size - 1);
	if (!size || at >= s->end || size > s->end - at) {
		rf_log("%s: BAR %u of %llu bytes is too large", d->label, bar,
		       (unsigned long long)size);
		return -ENOSPC;
	}
	s->next = at + size;
	err = write_bar(d, bar, (uint32_t)at);
	return err || !*wide ? err : write_bar(d, bar + 1, (uint32_t)(at >> 32));
}

int pci_bringup(struct rf_device *d)
{
	struct space memory = { MEMORY_FIRST, MEMORY_END }, ports = { PORTS_FIRST, PORTS_END };
	uint16_t command = 0;
	bool wide;
	int err;

	if ((d->config[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
		rf_log("%s: a bridge, not a device", d->label);
		return -EINVAL;
	}
	/* Decoding stays off until all addresses are set. */
	err = d->backend->config_write(d, PCI_COMMAND, &command, 2);
	for (unsigned bar = 0; !err && bar < 6; bar += 1 + wide) {
		wide = false;
		if (d->bar[bar].bytes)
			err = place_bar(d, bar, &memory, &ports, &wide);
	}
	command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (!err)
		err = d->backend->config_write(d, PCI_COMMAND, &command, 2);
	if (err)
		rf_log("%s: cannot set up its configuration space: %s", d->label, strerror(-err));
	return err;
}

/* 6.8.2.3: MSI-X on, then each vector in use unmasked in its table. */
static int msix_on(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	uint16_t flags;
	int err;

	if (d->msix_table_bar > 5 || d->msix_table_end > d->bar[d->msix_table_bar].bytes) {
		rf_log("%s: its MSI-X table lies outside of BAR %u, which has %llu bytes", d->label,
		       d->msix_table_bar,
		       d->msix_table_bar > 5 ? 0 :
					       (unsigned long long)d->bar[d->msix_table_bar].bytes);
		return -EINVAL;
	}
	err = d->backend->config_read(d, at + PCI_MSIX_FLAGS, &flags, 2);

	flags = (uint16_t)((flags | PCI_MSIX_FLAGS_ENABLE) & ~PCI_MSIX_FLAGS_MASKALL);
	if (!err)
		err = d->backend->config_write(d, at + PCI_MSIX_FLAGS, &flags, 2);
	for (uint32_t i = 0; !err && i < d->irq.vectors; i++) {
		uint32_t unmasked = 0;
		err = bar_write(d, d->msix_table_bar,
				d->msix_table + i * PCI_MSIX_ENTRY_SIZE +
					PCI_MSIX_ENTRY_VECTOR_CTRL,
				&unmasked, 4);
	}
	return err;
}

/* 6.8.1: as many messages as are wired, in the power of two it is written as. */
static int msi_on(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_MSI, PCI_MSI_FLAGS + 2);
	uint16_t flags, log = 0;
	int err = d->backend->config_read(d, at + PCI_MSI_FLAGS, &flags, 2);

	while (1u << log < d->irq.vectors)
		log++;
	flags = (uint16_t)((flags & ~PCI_MSI_FLAGS_QSIZE) | log << 4 | PCI_MSI_FLAGS_ENABLE);
	return err ? err : d->backend->config_write(d, at + PCI_MSI_FLAGS, &flags, 2);
}

int pci_msi_on(struct rf_device *d)
{
	if (d->irq.index == VFIO_PCI_MSIX_IRQ_INDEX)
		return msix_on(d);
	return d->irq.index == VFIO_PCI_MSI_IRQ_INDEX ? msi_on(d) : 0;
}
