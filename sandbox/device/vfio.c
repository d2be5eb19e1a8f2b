/* SPDX-License-Identifier: MIT */
/*
 * vfio.c - the VFIO group back end: container, regions, DMA map, resets.
 *
 * Room:   sandbox/device. Kernel interface: Documentation/driver-api/vfio.rst.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "log.h"

static int attach_group(struct rf_device *d)
{
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int container = RF_DEVICE_FD_CONTAINER;

	if (ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		rf_log("%s: this kernel's VFIO has no type 1 v2 IOMMU", d->cfg.pci);
		return RF_EXIT_NO_IOMMU;
	}
	if (ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_GET_STATUS, &st) ||
	    !(st.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		rf_log("%s: its group is not viable: another device of it has a driver", d->cfg.pci);
		return RF_EXIT_NOT_VIABLE;
	}
	if (!(st.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) &&
	    ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_SET_CONTAINER, &container)) {
		rf_log("%s: cannot join its container: %s", d->cfg.pci, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		if (errno == EPERM) {
			rf_log("%s: no interrupt remapping, so a device could forge any interrupt: "
			       "enable it (intremap) in firmware or machine", d->cfg.pci);
			return RF_EXIT_NO_REMAP;
		}
		rf_log("%s: the IOMMU refuses the container: %s", d->cfg.pci, strerror(errno));
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

static bool region_has(void *info, uint32_t bytes, uint32_t at, uint16_t id)
{
	struct vfio_info_cap_header *cap;

	for (int left = 64; left && (cap = next_cap(info, bytes, at)); left--, at = cap->next)
		if (cap->id == id)
			return true;
	return false;
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
			d->config_size = r->size < sizeof(d->config) ? (uint32_t)r->size : sizeof(d->config);
		}
		else if (i <= VFIO_PCI_BAR5_REGION_INDEX)
			d->bar[i] = (struct rf_bar){ .bytes = r->size, .offset = r->offset,
				.mappable = r->flags & VFIO_REGION_INFO_FLAG_MMAP };
		/* Without MSIX_MAPPABLE the kernel itself keeps the table's pages back. */
		if (i <= VFIO_PCI_BAR5_REGION_INDEX && r->flags & VFIO_REGION_INFO_FLAG_CAPS)
			(void)region_has(r, r->argsz, r->cap_offset, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
		free(r);
	}
	return d->config_offset ? 0 : RF_EXIT_DEVICE;
}

static uint32_t config32(const struct rf_device *d, uint32_t at)
{
	uint32_t value;

	memcpy(&value, d->config + at, 4);
	return value;
}

static void find_msix(struct rf_device *d)
{
	uint32_t at = config_find(d, PCI_CAP_ID_MSIX);

	d->msix_table_bar = d->msix_pba_bar = ~0u;
	if (!at || at > 244)
		return;
	uint32_t count = (config32(d, at) >> 16 & PCI_MSIX_FLAGS_QSIZE) + 1;
	uint32_t table = config32(d, at + PCI_MSIX_TABLE), pba = config32(d, at + PCI_MSIX_PBA);
	d->msix_table_bar = table & PCI_MSIX_TABLE_BIR;
	d->msix_table = table & PCI_MSIX_TABLE_OFFSET;
	d->msix_table_end = d->msix_table + 16ull * count;
	d->msix_pba_bar = pba & PCI_MSIX_PBA_BIR;
	d->msix_pba = pba & PCI_MSIX_PBA_OFFSET;
	d->msix_pba_end = d->msix_pba + (count + 63) / 64 * 8;
}

int vfio_open(struct rf_device *d)
{
	int err = attach_group(d);

	if (err)
		return err;
	d->vfio = ioctl(RF_DEVICE_FD_GROUP, VFIO_GROUP_GET_DEVICE_FD, d->cfg.pci);
	if (d->vfio < 0) {
		rf_log("%s: cannot open the device: %s", d->cfg.pci, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	struct vfio_device_info info = { .argsz = sizeof(info) };
	if (ioctl(d->vfio, VFIO_DEVICE_GET_INFO, &info) || !(info.flags & VFIO_DEVICE_FLAGS_PCI)) {
		rf_log("%s: not a PCI device for VFIO", d->cfg.pci);
		return RF_EXIT_DEVICE;
	}
	if ((err = find_regions(d)) || (err = config_snapshot(d)))
		return err;
	find_msix(d);
	if (config_bus_master(d, true))
		return RF_EXIT_DEVICE;
	return 0;
}

/* ---- BARs ------------------------------------------------------------------- */

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

/* Whole pages of a BAR of which none holds a byte of the MSI-X table or PBA. */
bool vfio_window_ok(const struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	if (bar > 5 || offset % RF_PAGE || bytes % RF_PAGE || !bytes || !d->bar[bar].mappable ||
	    offset > d->bar[bar].bytes || bytes > d->bar[bar].bytes - offset)
		return false;
	return !(bar == d->msix_table_bar &&
		 overlaps(offset, offset + bytes, d->msix_table, d->msix_table_end)) &&
	       !(bar == d->msix_pba_bar &&
		 overlaps(offset, offset + bytes, d->msix_pba, d->msix_pba_end));
}

void *vfio_map_bar(struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	if (!vfio_window_ok(d, bar, offset, bytes)) {
		rf_log("%s: BAR %u, %#llx bytes at %#llx cannot be mapped (too small, or the MSI-X table "
		       "is there)", d->cfg.pci, bar, (unsigned long long)bytes,
		       (unsigned long long)offset);
		return NULL;
	}
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, d->vfio,
		       (off_t)(d->bar[bar].offset + offset));
	if (p == MAP_FAILED) {
		rf_log("%s: cannot map BAR %u: %s", d->cfg.pci, bar, strerror(errno));
		return NULL;
	}
	return p;
}

int vfio_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to, uint32_t bytes)
{
	if (offset > d->bar[bar].bytes || bytes > d->bar[bar].bytes - offset)
		return -EINVAL;
	return pread(d->vfio, to, bytes, (off_t)(d->bar[bar].offset + offset)) == (ssize_t)bytes ? 0 : -EIO;
}

int vfio_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes)
{
	if (offset > d->bar[bar].bytes || bytes > d->bar[bar].bytes - offset)
		return -EINVAL;
	return pwrite(d->vfio, from, bytes, (off_t)(d->bar[bar].offset + offset)) == (ssize_t)bytes ? 0 : -EIO;
}

/* ---- DMA ---------------------------------------------------------------------- */

/* First IOVA >= from, 2 MiB aligned, with `bytes` in one range the kernel allows. */
static uint64_t pick_iova(uint64_t from, uint64_t bytes)
{
	struct vfio_iommu_type1_info ask = { .argsz = sizeof(ask) };
	struct vfio_iommu_type1_info *info = get_info(RF_DEVICE_FD_CONTAINER, VFIO_IOMMU_GET_INFO,
						      sizeof(ask), &ask);
	struct vfio_info_cap_header *cap;
	uint64_t found = 0;

	if (!info)
		return 0;
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	for (int left = 64; left && (cap = next_cap(info, info->argsz, at)); left--, at = cap->next) {
		struct vfio_iommu_type1_info_cap_iova_range *r = (void *)cap;
		if (cap->id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		for (uint32_t i = 0; i < r->nr_iovas && !found; i++) {
			uint64_t start = r->iova_ranges[i].start < from ? from : r->iova_ranges[i].start;
			start = (start + (2u << 20) - 1) & ~((2ull << 20) - 1);
			if (start <= r->iova_ranges[i].end && bytes - 1 <= r->iova_ranges[i].end - start)
				found = start;
		}
	}
	free(info);
	return found;
}

static int map_one(struct rf_device *d, void *p, uint64_t iova, uint64_t bytes, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = (uintptr_t)p, .iova = iova, .size = bytes,
	};

	if (!ioctl(RF_DEVICE_FD_CONTAINER, VFIO_IOMMU_MAP_DMA, &map))
		return 0;
	rf_log("%s: cannot map %llu KiB for the device: %s%s", d->cfg.pci,
	       (unsigned long long)bytes >> 10, strerror(errno),
	       errno == ENOMEM ? " (locked-memory limit?)" : "");
	return errno == ENOMEM ? RF_EXIT_MEMLOCK : RF_EXIT_SYSTEM;
}

/*
 * The whole DMA map of the device, made once: data arena, both halves of queue
 * memory, and the control half's pages, of which the first (the admin submission
 * queue) is read-only for the device. A hole of 2 MiB lies between the parts.
 */
int vfio_map_dma(struct rf_device *d)
{
	const uint32_t rw = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	const uint64_t hole = 2u << 20;
	uint64_t queues = 2 * d->cfg.queue_bytes;
	uint64_t total = d->cfg.arena_bytes + queues + RF_ADMIN_BYTES + 4 * hole;
	int err;

	d->iova = pick_iova(d->cfg.iova ? d->cfg.iova : 1ull << 32, total);
	if (!d->iova)
		d->iova = pick_iova(hole, total);
	if (!d->iova) {
		rf_log("%s: the IOMMU has no room for an arena of %llu MiB", d->cfg.pci,
		       (unsigned long long)d->cfg.arena_bytes >> 20);
		return RF_EXIT_SYSTEM;
	}
	d->queues_iova = (d->iova + d->cfg.arena_bytes + 2 * hole - 1) & ~(hole - 1);
	d->admin_iova = (d->queues_iova + queues + 2 * hole - 1) & ~(hole - 1);
	if ((err = map_one(d, d->data, d->iova, d->cfg.arena_bytes, rw)) ||
	    (err = map_one(d, d->queues, d->queues_iova, queues, rw)) ||
	    (err = map_one(d, d->admin, d->admin_iova, RF_PAGE,
			   d->cfg.flags & RF_DEVICE_ADMIN_RW ? rw : VFIO_DMA_MAP_FLAG_READ)) ||
	    (err = map_one(d, (char *)d->admin + RF_PAGE, d->admin_iova + RF_PAGE,
			   RF_ADMIN_BYTES - RF_PAGE, rw)))
		return err;
	return 0;
}

/* ---- resets ---------------------------------------------------------------------- */

int vfio_reset(struct rf_device *d)
{
	return ioctl(d->vfio, VFIO_DEVICE_RESET) ? -errno : 0;
}

int vfio_hot_reset(struct rf_device *d)
{
	struct { struct vfio_pci_hot_reset head; int32_t group; } reset = {
		.head = { .argsz = sizeof(reset), .count = 1 }, .group = RF_DEVICE_FD_GROUP,
	};

	/* The kernel checks that the group owns every function of the bus. */
	return ioctl(d->vfio, VFIO_DEVICE_PCI_HOT_RESET, &reset) ? -errno : 0;
}
