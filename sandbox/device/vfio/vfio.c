/* SPDX-License-Identifier: MIT */
/*
 * vfio.c - the VFIO group back end: container, regions, interrupts, DMA map, resets.
 *
 * Room:   sandbox/device/vfio. Kernel interface: Documentation/driver-api/vfio.rst.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "wait.h"

/* A run that was killed gives its device up when the last of its processes has ended, which the
 * kernel may do some time after a device of the group could be bound again. */
#define VIABLE_WITHIN_NS 10000000000ull
#define VIABLE_PAUSE_NS  5000000u

/* The status of the group, once it is viable. False: it is not, and stays so, and errno is 0; or
 * the kernel does not say. */
static bool group_viable(struct vfio_group_status *st)
{
	uint64_t deadline = rf_now_ns() + VIABLE_WITHIN_NS;

	for (;;) {
		if (ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_GET_STATUS, st))
			return false;
		if (st->flags & VFIO_GROUP_FLAGS_VIABLE)
			return true;
		if (rf_now_ns() > deadline) {
			errno = 0;
			return false;
		}
		rf_sleep_ns(VIABLE_PAUSE_NS);
	}
}

static int attach_group(struct rf_device *d)
{
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int container = RF_DEVICE_FD_CONTAINER;

	if (ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		rf_log("%s: this kernel's VFIO has no type 1 v2 IOMMU", d->label);
		return RF_EXIT_NO_IOMMU;
	}
	if (!group_viable(&st)) {
		rf_log("%s: its group is not viable: %s", d->label,
		       errno == ENODEV ? "the kernel took its device away from vfio-pci" :
		       errno ? strerror(errno) :
		       "another device of it has a driver, or another program has it");
		return RF_EXIT_NOT_VIABLE;
	}
	if (!(st.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) &&
	    ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_SET_CONTAINER, &container)) {
		rf_log("%s: cannot join its container: %s", d->label, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		if (errno == EPERM) {
			rf_log("%s: no interrupt remapping, so a device could forge any interrupt: "
			       "enable it (intremap) in firmware or machine", d->label);
			return RF_EXIT_NO_REMAP;
		}
		rf_log("%s: the IOMMU refuses the container: %s", d->label, strerror(errno));
		return RF_EXIT_NO_IOMMU;
	}
	return 0;
}

/* Information with a capability chain: asked twice, as its size is not known. */
static void *get_info(int fd, unsigned long request, uint32_t bytes, const void *first)
{
	uint32_t *info = calloc(1, 65536);

	RF_BUG_ON(!info);
	memcpy(info, first, bytes);
	info[0] = 65536; /* argsz */
	if (ioctl(fd, request, info)) {
		free(info);
		return NULL;
	}
	if (info[0] > 65536)
		info[0] = 65536;
	return info;
}

/* Next capability of a chain in [info, info + bytes), NULL at its end. */
static struct vfio_info_cap_header *next_cap(void *info, uint32_t bytes, uint32_t at)
{
	if (at < 8 || at % 4 || at + sizeof(struct vfio_info_cap_header) > bytes)
		return NULL;
	return (void *)((char *)info + at);
}

static int find_regions(struct rf_device *d)
{
	for (uint32_t i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX; i++) {
		struct vfio_region_info ask = { .argsz = sizeof(ask), .index = i };
		struct vfio_region_info *r = get_info(d->vfio, VFIO_DEVICE_GET_REGION_INFO,
						      sizeof(ask), &ask);
		if (!r)
			continue;
		if (i == VFIO_PCI_CONFIG_REGION_INDEX) {
			d->config_offset = r->offset;
			d->config_size =
				r->size < sizeof(d->config) ? (uint32_t)r->size : sizeof(d->config);
		} else if (i <= VFIO_PCI_BAR5_REGION_INDEX) {
			d->bar[i] = (struct rf_bar){ .bytes = r->size, .offset = r->offset,
				.mappable = r->flags & VFIO_REGION_INFO_FLAG_MMAP };
		}
		free(r);
	}
	return d->config_offset ? 0 : RF_EXIT_DEVICE;
}

/*
 * Finds out whether a hot reset can work. It resets every function of the bus, and the kernel wants
 * the fd of each function's group, of which we hold one.
 */
static void find_hot_reset(struct rf_device *d)
{
	struct {
		struct vfio_pci_hot_reset_info head;
		struct vfio_pci_dependent_device more[64];
	} r = { .head = { .argsz = sizeof(r) } };
	uint32_t group = 0;

	d->hot_reset_ok = false;
	if (ioctl(d->vfio, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &r))
		return; /* the bus cannot be reset at all: its first use will log that */
	for (uint32_t i = 0; i < r.head.count && i < 64; i++) {
		const struct vfio_pci_dependent_device *o = &r.more[i];
		char address[RF_NAME];

		snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", o->segment, o->bus,
			 o->devfn >> 3, o->devfn & 7);
		if (!strcmp(address, d->cfg.pci))
			group = o->group_id;
	}
	for (uint32_t i = 0; i < r.head.count && i < 64; i++) {
		const struct vfio_pci_dependent_device *o = &r.more[i];

		if (o->group_id == group)
			continue;
		rf_log("%s: no reset of its bus: %04x:%02x:%02x.%x, in another group, would be "
		       "reset too",
		       d->label, o->segment, o->bus, o->devfn >> 3, o->devfn & 7);
		return;
	}
	d->hot_reset_ok = true;
}

static int vfio_open(struct rf_device *d)
{
	int err = attach_group(d);

	if (err)
		return err;
	d->vfio = ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_GET_DEVICE_FD, d->cfg.pci);
	if (d->vfio < 0) {
		rf_log("%s: cannot open the device: %s", d->label, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	struct vfio_device_info info = { .argsz = sizeof(info) };
	if (ioctl(d->vfio, VFIO_DEVICE_GET_INFO, &info) || !(info.flags & VFIO_DEVICE_FLAGS_PCI)) {
		rf_log("%s: not a PCI device for VFIO", d->label);
		return RF_EXIT_DEVICE;
	}
	if ((err = find_regions(d)) || (err = config_snapshot(d)))
		return err;
	find_hot_reset(d);
	return 0;
}

/* ---- registers, configuration space, interrupts ---------------------------------- */

static int vfio_bar_fd(struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes,
		       uint64_t *at)
{
	(void)bytes;
	*at = d->bar[bar].offset + offset;
	return d->bar[bar].mappable ? d->vfio : -1;
}

static int read_at(struct rf_device *d, uint64_t at, void *to, uint32_t bytes)
{
	return pread(d->vfio, to, bytes, (off_t)at) == (ssize_t)bytes ? 0 : -EIO;
}

static int write_at(struct rf_device *d, uint64_t at, const void *from, uint32_t bytes)
{
	return pwrite(d->vfio, from, bytes, (off_t)at) == (ssize_t)bytes ? 0 : -EIO;
}

static int vfio_bar_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to,
			 uint32_t bytes)
{
	return read_at(d, d->bar[bar].offset + offset, to, bytes);
}

static int vfio_bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from,
			  uint32_t bytes)
{
	return write_at(d, d->bar[bar].offset + offset, from, bytes);
}

static int vfio_config_read(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	return read_at(d, d->config_offset + at, to, bytes);
}

static int vfio_config_write(struct rf_device *d, uint32_t at, const void *from, uint32_t bytes)
{
	return write_at(d, d->config_offset + at, from, bytes);
}

static int vfio_set_irqs(struct rf_device *d, uint32_t index, uint32_t action, uint32_t start,
			 const int32_t *fds, uint32_t count)
{
	struct { struct vfio_irq_set set; int32_t fd[RF_MAX_VECTORS]; } s = { 0 };

	RF_BUG_ON(count > RF_MAX_VECTORS);
	s.set = (struct vfio_irq_set){
		.argsz = sizeof(s.set) + count * 4,
		.flags = (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE) | action,
		.index = index,
		.start = start,
		.count = count
	};
	if (count)
		memcpy(s.fd, fds, count * 4);
	return ioctl(d->vfio, VFIO_DEVICE_SET_IRQS, &s) ? -errno : 0;
}

static uint32_t vfio_irq_count(struct rf_device *d, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(d->vfio, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
	       !(info.flags & VFIO_IRQ_INFO_EVENTFD) ? 0 : info.count;
}

/* ---- DMA ---------------------------------------------------------------------- */

/* First IOVA >= from, 2 MiB aligned, with `bytes` in one range the kernel allows. */
static uint64_t pick_iova(struct rf_device *d, uint64_t from, uint64_t bytes)
{
	struct vfio_iommu_type1_info ask = { .argsz = sizeof(ask) };
	struct vfio_iommu_type1_info *info = get_info(RF_DEVICE_FD_CONTAINER, VFIO_IOMMU_GET_INFO,
						      sizeof(ask), &ask);
	struct vfio_info_cap_header *cap;
	uint64_t found = 0;

	(void)d;
	if (!info)
		return 0;
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	for (int left = 64; left && (cap = next_cap(info, info->argsz, at));
	     left--, at = cap->next) {
		struct vfio_iommu_type1_info_cap_iova_range *r = (void *)cap;
		if (cap->id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		for (uint32_t i = 0; i < r->nr_iovas && !found; i++) {
			uint64_t start =
				r->iova_ranges[i].start < from ? from : r->iova_ranges[i].start;
			start = (start + (2u << 20) - 1) & ~((2ull << 20) - 1);
			if (start <= r->iova_ranges[i].end &&
			    bytes - 1 <= r->iova_ranges[i].end - start)
				found = start;
		}
	}
	free(info);
	return found;
}

static int vfio_map_dma(struct rf_device *d, int fd, uint64_t offset, void *p, uint64_t iova,
			uint64_t bytes, bool writable)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .vaddr = (uintptr_t)p, .iova = iova, .size = bytes,
		.flags = VFIO_DMA_MAP_FLAG_READ | (writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
	};

	(void)fd;
	(void)offset;
	if (!ioctl(RF_DEVICE_FD_CONTAINER, VFIO_IOMMU_MAP_DMA, &map))
		return 0;
	rf_log("%s: cannot map %llu KiB for the device: %s%s", d->label,
	       (unsigned long long)bytes >> 10, strerror(errno),
	       errno == ENOMEM ? " (locked-memory limit?)" : "");
	return errno == ENOMEM ? RF_EXIT_MEMLOCK : RF_EXIT_SYSTEM;
}

/* ---- resets ---------------------------------------------------------------------- */

static int vfio_reset(struct rf_device *d)
{
	return ioctl(d->vfio, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int vfio_hot_reset(struct rf_device *d)
{
	struct { struct vfio_pci_hot_reset head; int32_t group; } reset = {
		.head = { .argsz = sizeof(reset), .count = 1 }, .group = RF_DEVICE_FD_GROUP,
	};

	if (!d->hot_reset_ok)
		return -EOPNOTSUPP;
	return ioctl(d->vfio, VFIO_DEVICE_PCI_HOT_RESET, &reset) ? -errno : 0;
}

const struct rf_backend_ops rf_backend_vfio = {
	.list = "device",
	.open = vfio_open,
	.pick_iova = pick_iova,
	.map_dma = vfio_map_dma,
	.config_read = vfio_config_read,
	.config_write = vfio_config_write,
	.bar_read = vfio_bar_read,
	.bar_write = vfio_bar_write,
	.bar_fd = vfio_bar_fd,
	.gone_irqs = true,
	.irqs_counted = true,
	.irq_count = vfio_irq_count,
	.set_irqs = vfio_set_irqs,
	.reset = vfio_reset,
	.hot_reset = vfio_hot_reset,
};
