/* SPDX-License-Identifier: MIT */
/*
 * interrupts.c - the device's interrupts wired to the drivers' eventfds.
 *
 * Room:   sandbox/device/core. MSI-X, else MSI, else INTx, as the policy accepts them.
 *         Each half of each queue has a vector of its own, so that a restart rewires
 *         nothing: 0 is the admin plane's and stays silent. In a device without enough of
 *         them for that, as virtio's often are, a queue's halves share one, and only where
 *         there is not one for each has it fewer queues.
 * Trust:  a device may claim vectors it has no capability for: configuration space
 *         is asked too.
 */
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "device.h"
#include "log.h"

/* Wires the back end's own interrupts: the device reported an error, or the host wants it back.
 * Done after the device's vectors, and not at all where the end of the connection says the same:
 * some device servers keep all interrupts in one table, where these two are vector 0. */
static void wire_gone(struct rf_device *d)
{
	const struct { uint32_t index; int *event; } own[] = {
		{ VFIO_PCI_ERR_IRQ_INDEX, &d->error_event },
		{ VFIO_PCI_REQ_IRQ_INDEX, &d->gone_event },
	};

	for (int i = 0; d->backend->gone_irqs && i < 2; i++) {
		if (!d->backend->irq_count(d, own[i].index))
			continue;
		if (*own[i].event < 0)
			*own[i].event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		(void)d->backend->set_irqs(d, own[i].index, VFIO_IRQ_SET_ACTION_TRIGGER, 0,
					   own[i].event, 1);
	}
}

/* INTx is masked by VFIO at each interrupt; a write to this eventfd re-arms it, whoever
 * drives the device. Wired once: a second time is EBUSY. */
static int wire_unmask(struct rf_device *d)
{
	const int32_t fd = RF_DEVICE_FD_DEVICE;

	return d->backend->set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_UNMASK, 0, &fd, 1);
}

/* How many vectors back end and configuration space agree on. */
static uint32_t vectors(struct rf_device *d, uint32_t index)
{
	uint32_t count = d->backend->irq_count(d, index), at;
	uint32_t most = d->config[PCI_INTERRUPT_PIN] ? 1 : 0;

	if (index == VFIO_PCI_MSIX_IRQ_INDEX)
		most = (uint32_t)((d->msix_table_end - d->msix_table) / PCI_MSIX_ENTRY_SIZE);
	else if (index == VFIO_PCI_MSI_IRQ_INDEX)
		most = (at = config_find(d, PCI_CAP_ID_MSI, PCI_MSI_FLAGS + 2)) ?
			       1u << ((d->config[at + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_QMASK) >> 1) :
			       0;
	return count < most ? count : most;
}

static int wire(struct rf_device *d)
{
	int32_t fds[RF_MAX_VECTORS] = { -1 };

	if (d->irq.vectors == 1)
		return irq_vector(d, 0, 1);
	for (uint32_t i = 1; i < d->irq.vectors; i++)
		fds[i] = d->irq.each_half ? rf_device_wake((i - 1) / 2, (i - 1) & 1) :
					    rf_device_wake(i - 1, 1);
	return d->backend->set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, fds,
				    d->irq.vectors);
}

/* Wires the vectors; none may be wired now. */
static int wire_on(struct rf_device *d)
{
	int err = wire(d);

	if (!err && d->irq.intx)
		err = wire_unmask(d);
	return err < 0 ? err : d->backend->irqs_on ? d->backend->irqs_on(d) : 0;
}

/* So many vectors of this kind are there. */
static void irq_use(struct rf_device *d, uint32_t index, uint32_t count)
{
	uint32_t most = count > 2 ? count - 1 : 1;

	if (d->queue_count > most) {
		rf_log("%s: with %u interrupt vectors it has %u queue%s, not %u", d->label, count,
		       most, most == 1 ? "" : "s", d->queue_count);
		d->queue_count = most;
	}
	bool each = count >= 1 + 2 * d->queue_count;
	uint32_t shared = d->queue_count > 1 ? 1 + d->queue_count : 1;
	d->irq = (struct rf_irq){ .index = index, .each_half = each,
				  .vectors = each ? 1 + 2 * d->queue_count : shared,
				  .intx = index == VFIO_PCI_INTX_IRQ_INDEX };
}

int irq_open(struct rf_device *d)
{
	static const uint32_t indexes[] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
					    VFIO_PCI_INTX_IRQ_INDEX };

	for (int kind = 0; kind < 3; kind++) {
		uint32_t count = d->cfg.interrupts & 1u << kind ? vectors(d, indexes[kind]) : 0;
		if (!count)
			continue;
		irq_use(d, indexes[kind], count);
		int err = wire_on(d);
		if (err < 0) {
			rf_log("%s: cannot wire its interrupts: %s", d->label, strerror(-err));
			return d->user ? RF_EXIT_DEVICE : RF_EXIT_SYSTEM;
		}
		wire_gone(d);
		return 0;
	}
	rf_log("%s has none of the interrupts its policy accepts", d->label);
	return RF_EXIT_DEVICE;
}

int irq_rewire(struct rf_device *d)
{
	int err = wire(d);

	if (err >= 0 && d->backend->irqs_on)
		err = d->backend->irqs_on(d);
	wire_gone(d);
	return err < 0 ? err : 0;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	int32_t fd = rf_device_wake(queue, half);
	uint32_t shared = d->irq.vectors > 1 ? 1 + queue : 0;

	if (d->irq.each_half)
		return 1 + 2 * (int)queue + (int)half;
	int err = d->backend->set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_TRIGGER, shared, &fd,
				       1);
	return err < 0 ? err : (int)shared;
}

void irq_off(struct rf_device *d)
{
	int err = d->backend->set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, NULL, 0);

	if (err < 0)
		rf_log("%s: cannot switch its interrupts off: %s", d->label, strerror(-err));
	d->irq.off = true;
}

int irq_back(struct rf_device *d)
{
	int err = d->irq.off ? wire_on(d) : 0;

	if (err < 0)
		rf_log("%s: cannot wire its interrupts again: %s", d->label, strerror(-err));
	else
		d->irq.off = false;
	return err < 0 ? err : 0;
}
