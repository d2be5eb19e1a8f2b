/* SPDX-License-Identifier: MIT */
/*
 * pci.c - configuration space of a type 0 function: header, BAR sizing, PM, MSI, PCIe and
 * MSI-X capabilities, and the resets that hide in them.
 *
 * Room:   tests/models/server. PCI Express Base Specification, 7.5 (header), 7.5.2 (PM),
 *         7.5.3 (PCIe), 7.7 (MSI, MSI-X).
 */
#include <string.h>

#include "internal.h"
#include "log.h"

enum {
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_BARS = 0x10,
	PCI_SUBSYSTEM = 0x2c,
	PCI_CAPABILITIES = 0x34,
	PCI_LINE = 0x3c,
	PCI_PIN = 0x3d,
	AT_PM = 0x40,
	AT_MSI = 0x50,
	AT_PCIE = 0x60,
	AT_MSIX = 0xa0,
};
#define COMMAND_MEMORY  0x0002u
#define COMMAND_MASTER  0x0004u
#define STATUS_CAPS     0x0010u
#define PM_CSR          4u
#define PM_STATE        0x3u
#define PCIE_DEVCTL     8u
#define DEVCTL_FLR      0x8000u
#define MSIX_CONTROL    2u
#define MSIX_ENABLE     0x8000u
#define MSIX_MASK_ALL   0x4000u
#define MSI_CONTROL     2u

static void put(uint8_t *at, uint32_t offset, uint64_t value, unsigned bytes)
{
	memcpy(at + offset, &value, bytes);
}

static uint16_t get16(const struct server *s, uint32_t at)
{
	uint16_t v;

	memcpy(&v, s->config + at, 2);
	return v;
}

bool pci_bus_master(const struct server *s)
{
	return get16(s, PCI_COMMAND) & COMMAND_MASTER;
}

bool pci_memory_enabled(const struct server *s)
{
	return get16(s, PCI_COMMAND) & COMMAND_MEMORY;
}

bool pci_msix_enabled(const struct server *s)
{
	return s->cap_msix && get16(s, s->cap_msix + MSIX_CONTROL) & MSIX_ENABLE;
}

bool pci_msix_function_mask(const struct server *s)
{
	return pci_msix_enabled(s) && get16(s, s->cap_msix + MSIX_CONTROL) & MSIX_MASK_ALL;
}

unsigned pci_msi_enabled(const struct server *s)
{
	uint16_t control = s->cap_msi ? get16(s, s->cap_msi + MSI_CONTROL) : 0;

	return control & 1 ? 1u << (control >> 4 & 7) : 0;
}

/* ---- what it looks like after power-on --------------------------------------------- */

static bool header(struct server *s)
{
	const struct model_pci *p = &s->pci;
	uint8_t *c = s->config_reset, *w = s->writable;

	put(c, 0, p->vendor | (uint32_t)p->device << 16, 4);
	put(c, PCI_REVISION, p->revision | p->class_code << 8, 4);
	put(c, PCI_SUBSYSTEM, p->subvendor | (uint32_t)p->subdevice << 16, 4);
	put(c, PCI_STATUS, STATUS_CAPS, 2);
	put(w, PCI_COMMAND, 0x0547, 2); /* I/O, memory, master, parity, SERR, INTx disable */
	c[PCI_PIN] = p->intx;
	w[PCI_LINE] = 0xff;
	for (unsigned i = 0; i < 6; i++) {
		const struct model_bar *b = &p->bar[i];
		if (!b->bytes)
			continue;
		if (b->bytes < 16 || b->bytes & (b->bytes - 1) || (b->wide && i == 5))
			return false;
		put(c, PCI_BARS + 4 * i, b->io ? 1 : b->wide ? 4 : 0, 4);
		put(w, PCI_BARS + 4 * i, ~(b->bytes - 1u), 4);
		if (b->wide)
			put(w, PCI_BARS + 4 * ++i, ~0u, 4);
	}
	return true;
}

/* Appends a capability at `at`: `link` is where its predecessor points from. */
static uint32_t chain(struct server *s, uint32_t *link, uint32_t at, uint8_t id)
{
	s->config_reset[*link] = (uint8_t)at;
	s->config_reset[at] = id;
	*link = at + 1;
	return at;
}

static void capabilities(struct server *s)
{
	const struct model_pci *p = &s->pci;
	uint8_t *c = s->config_reset, *w = s->writable;
	uint32_t link = PCI_CAPABILITIES;

	if (!p->no_pm) {
		s->cap_pm = chain(s, &link, AT_PM, 0x01);
		put(c, s->cap_pm + 2, 3, 2);      /* version 1.2; D3hot to D0 resets */
		put(w, s->cap_pm + PM_CSR, PM_STATE, 2);
	}
	if (p->msi_vectors) {
		s->cap_msi = chain(s, &link, AT_MSI, 0x05);
		put(c, s->cap_msi + MSI_CONTROL,
		    0x80u | (uint32_t)__builtin_ctz(p->msi_vectors) << 1, 2);
		put(w, s->cap_msi + MSI_CONTROL, 0x71, 2);
		put(w, s->cap_msi + 4, 0xfffffffffffffffcu, 8);
		put(w, s->cap_msi + 12, 0xffff, 2);
	}
	if (!p->no_pcie) {
		s->cap_pcie = chain(s, &link, AT_PCIE, 0x10);
		put(c, s->cap_pcie + 2, 0x0002, 2);   /* version 2, endpoint */
		put(c, s->cap_pcie + 4, 0x8000u | (p->flr ? 1u << 28 : 0), 4);
		put(c, s->cap_pcie + PCIE_DEVCTL, 0x2810, 2);
		put(w, s->cap_pcie + PCIE_DEVCTL, 0x7fff, 2);
		put(c, s->cap_pcie + 12, 0x0011, 4);  /* 2.5 GT/s, one lane */
		put(w, s->cap_pcie + 16, 0x01c3, 2);
		put(c, s->cap_pcie + 18, 0x0011, 2);
		put(w, s->cap_pcie + 40, 0x001f, 2);
	}
	if (p->msix_vectors) {
		s->cap_msix = chain(s, &link, AT_MSIX, 0x11);
		put(c, s->cap_msix + MSIX_CONTROL, p->msix_vectors - 1u, 2);
		put(w, s->cap_msix + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL, 2);
		put(c, s->cap_msix + 4, p->msix_table | p->msix_bar, 4);
		put(c, s->cap_msix + 8, p->msix_pba | p->msix_bar, 4);
	}
}

int pci_open(struct server *s)
{
	const struct model_pci *p = &s->pci;

	if (p->msix_vectors > MAX_VECTORS || p->msi_vectors > 32 ||
	    (p->msi_vectors & (p->msi_vectors - 1)) || p->msix_table % 8 || p->msix_pba % 8 ||
	    !header(s)) {
		rf_log("%s: its PCI description cannot be", s->model->name);
		return -1;
	}
	capabilities(s);
	pci_reset(s);
	return 0;
}

void pci_reset(struct server *s)
{
	memcpy(s->config, s->config_reset, CONFIG_BYTES);
	s->epoch++; /* Bus Master is off: no pointer into client memory is good any more */
}

void device_reset(struct server *s, enum model_reset why)
{
	count(s, C_RESETS);
	pci_reset(s);
	irq_reset(s);
	share_reset(s);
	s->model->reset(s->dev, why);
}

/* ---- access ------------------------------------------------------------------------------ */

int pci_read(struct server *s, uint64_t offset, void *to, uint32_t bytes)
{
	memcpy(to, s->config + offset, bytes);
	return 0;
}

/* What a write means beyond its bytes. `old` is the space before it. */
static void written(struct server *s, const uint8_t *old, bool flr)
{
	if (flr && s->pci.flr && s->cap_pcie) {
		device_reset(s, RESET_FLR);
		return;
	}
	if (s->cap_pm && (old[s->cap_pm + PM_CSR] & PM_STATE) == 3 &&
	    !(s->config[s->cap_pm + PM_CSR] & PM_STATE)) {
		device_reset(s, RESET_PM);
		return;
	}
	if ((old[PCI_COMMAND] ^ s->config[PCI_COMMAND]) & COMMAND_MASTER)
		s->epoch++;
	if (s->cap_msix)
		irq_unmasked(s);
}

int pci_write(struct server *s, uint64_t offset, const void *from, uint32_t bytes)
{
	const uint8_t *data = from;
	uint8_t old[256];
	bool    flr = false;

	memcpy(old, s->config, sizeof(old));
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t w = s->writable[offset + i];
		s->config[offset + i] = (uint8_t)((s->config[offset + i] & ~w) | (data[i] & w));
		if (s->cap_pcie && offset + i == s->cap_pcie + PCIE_DEVCTL + 1)
			flr = data[i] & DEVCTL_FLR >> 8;
	}
	written(s, old, flr);
	return 0;
}
