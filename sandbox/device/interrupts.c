/* SPDX-License-Identifier: MIT */
/*
 * interrupts.c - the device's interrupts wired to the drivers' eventfds.
 *
 * Room:   sandbox/device. MSI-X, else MSI, else INTx, as the policy accepts them.
 *         With three vectors or more each half has one of its own, so that a
 *         restart rewires nothing: 0 is the control half's and stays silent.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "device.h"
#include "log.h"

static int set_irqs(struct rf_device *d, uint32_t index, uint32_t action, uint32_t start,
		    const int32_t *fds, uint32_t count)
{
	struct { struct vfio_irq_set set; int32_t fd[4]; } s = { 0 };

	RF_BUG_ON(count > 4);
	s.set = (struct vfio_irq_set){ .argsz = sizeof(s.set) + count * 4,
				       .flags = VFIO_IRQ_SET_DATA_EVENTFD | action,
				       .index = index, .start = start, .count = count };
	memcpy(s.fd, fds, count * 4);
	return ioctl(d->vfio, VFIO_DEVICE_SET_IRQS, &s) ? -errno : 0;
}

static uint32_t irq_count(struct rf_device *d, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(d->vfio, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
	       !(info.flags & VFIO_IRQ_INFO_EVENTFD) ? 0 : info.count;
}

/* VFIO's own two: the device reported an error, or the host wants it back. */
static void wire_gone(struct rf_device *d)
{
	d->gone_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irq_count(d, VFIO_PCI_ERR_IRQ_INDEX))
		(void)set_irqs(d, VFIO_PCI_ERR_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0,
			       &d->gone_event, 1);
	if (irq_count(d, VFIO_PCI_REQ_IRQ_INDEX))
		(void)set_irqs(d, VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0,
			       &d->gone_event, 1);
}

/* INTx is masked by VFIO at each interrupt; a write to this eventfd re-arms it, whoever
 * drives the device. Wired once: a second time is EBUSY. */
static int wire_unmask(struct rf_device *d)
{
	const int32_t fd = RF_DEVICE_FD_DEVICE;

	return set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_UNMASK, 0, &fd, 1);
}

int vfio_open_irq(struct rf_device *d)
{
	static const uint32_t indexes[] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
					    VFIO_PCI_INTX_IRQ_INDEX };
	const int32_t fds[3] = { -1, RF_DEVICE_FD_WAKE0, RF_DEVICE_FD_WAKE1 };

	wire_gone(d);
	for (int kind = 0; kind < 3; kind++) {
		uint32_t count = d->cfg.interrupts & 1u << kind ? irq_count(d, indexes[kind]) : 0;
		if (!count)
			continue;
		d->irq = (struct rf_irq){ .index = indexes[kind], .vectors = count < 3 ? 1 : 3,
					  .each_half = count >= 3, .intx = kind == 2 };
		int err = d->irq.each_half ? set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, fds, 3)
					   : vfio_irq_vector(d, 1);
		if (!err && d->irq.intx)
			err = wire_unmask(d);
		if (err < 0) {
			rf_log("%s: cannot wire its interrupts: %s", d->cfg.pci, strerror(-err));
			return RF_EXIT_SYSTEM;
		}
		return 0;
	}
	rf_log("%s has none of the interrupts its policy accepts", d->cfg.pci);
	return RF_EXIT_DEVICE;
}

int vfio_irq_vector(struct rf_device *d, unsigned half)
{
	int32_t fd = half ? RF_DEVICE_FD_WAKE1 : RF_DEVICE_FD_WAKE0;

	return d->irq.each_half ? 1 + (int)half
				: set_irqs(d, d->irq.index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, &fd, 1);
}
