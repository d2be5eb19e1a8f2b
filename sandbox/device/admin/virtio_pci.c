/* SPDX-License-Identifier: MIT */
/*
 * virtio_pci.c - see virtio_pci.h. Numbers are sections of Virtual I/O Device 1.2.
 *
 * Room:   sandbox/device/admin.
 * Trust:  places and sizes are the device's word: BAR accesses are checked against the
 *         BARs, queue sizes against the policy, and every wait has an end.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "pause.h"
#include "range.h"
#include "virtio_pci.h"
#include "wait.h"

static uint64_t virtio_pci_get(struct rf_device *d, const struct virtio_pci *v,
			       enum virtio_pci_cfg which, uint64_t at, uint32_t bytes)
{
	const struct virtio_window *w = &v->window[which];
	uint64_t value = 0;

	if (!rf_range_within(at, bytes, w->bytes) ||
	    bar_read(d, w->bar, w->offset + at, &value, bytes))
		return ~0ull >> (64 - 8 * bytes);
	return value;
}

static void virtio_pci_set(struct rf_device *d, const struct virtio_pci *v, uint64_t at,
			   uint64_t value, uint32_t bytes)
{
	const struct virtio_window *w = &v->window[VIRTIO_PCI_COMMON];

	(void)bar_write(d, w->bar, w->offset + at, &value, bytes);
}

static void virtio_pci_set64(struct rf_device *d, const struct virtio_pci *v, uint64_t at,
			     uint64_t value)
{
	virtio_pci_set(d, v, at, value & 0xffffffff, 4);
	virtio_pci_set(d, v, at + 4, value >> 32, 4);
}

uint64_t virtio_config(struct rf_device *d, const struct virtio_pci *v, uint64_t at, uint32_t bytes)
{
	const struct virtio_window *w = &v->window[VIRTIO_PCI_DEVICE];

	return !rf_range_within(at, bytes, w->bytes)
		       ? 0
		       : virtio_pci_get(d, v, VIRTIO_PCI_DEVICE, at, bytes);
}

/* ---- 4.1.4: where the structures are -------------------------------------------------- */

/* The first capability of each type is the one to use. */
static void find_windows(struct rf_device *d, struct virtio_pci *v)
{
	uint32_t at = d->config[PCI_CAPABILITY_LIST] & ~3u;

	/* At most as many as fit, so that a list that loops ends. */
	for (int left = 48; left && at >= PCI_STD_HEADER_SIZEOF && at <= 256 - 20; left--) {
		uint32_t type = d->config[at + VIRTIO_PCI_CAP_TYPE],
			 bar = d->config[at + VIRTIO_PCI_CAP_BAR];
		if (d->config[at] == VIRTIO_PCI_CAP_VENDOR && type >= VIRTIO_PCI_COMMON &&
		    type <= VIRTIO_PCI_DEVICE && bar <= 5 && !v->window[type].bytes) {
			v->window[type] = (struct virtio_window){
				.bar = bar, .offset = config_word(d, at + VIRTIO_PCI_CAP_OFFSET),
				.bytes = config_word(d, at + VIRTIO_PCI_CAP_LENGTH),
			};
			if (type == VIRTIO_PCI_NOTIFY)
				v->multiplier = config_word(d, at + VIRTIO_PCI_CAP_MULTIPLIER);
		}
		at = d->config[at + 1] & ~3u;
	}
}

/* The soft reset is data in the policy: it must hit this device's status register. */
static bool reset_is_ours(const struct rf_device *d, const struct virtio_pci *v)
{
	const struct virtio_window *w = &v->window[VIRTIO_PCI_COMMON];

	for (uint32_t i = 0; i < d->cfg.step_count; i++) {
		const struct rf_reset_step *s = &d->cfg.step[i];
		if (s->bar != w->bar || s->offset != w->offset + VIRTIO_DEVICE_STATUS ||
		    s->bytes != 1)
			return false;
	}
	return true;
}

int virtio_open(struct rf_device *d, struct virtio_pci *v)
{
	const struct virtio_window *w = v->window;

	find_windows(d, v);
	if (w[VIRTIO_PCI_COMMON].bytes < VIRTIO_COMMON_BYTES || !w[VIRTIO_PCI_NOTIFY].bytes ||
	    !w[VIRTIO_PCI_DEVICE].bytes) {
		rf_log("%s: is no modern virtio device: its capabilities name no common, "
		       "notification or device "
		       "structure",
		       d->label);
		return -EOPNOTSUPP;
	}
	if (!reset_is_ours(d, v)) {
		rf_log("%s: the policy's reset is for another place: device_status is 8 bits in "
		       "bar%u at %#llx",
		       d->label, w[VIRTIO_PCI_COMMON].bar,
		       (unsigned long long)w[VIRTIO_PCI_COMMON].offset + VIRTIO_DEVICE_STATUS);
		return -EINVAL;
	}
	if (!virtio_present(d, v)) {
		rf_log("%s: registers read all ones: the device is gone", d->label);
		return -ENODEV;
	}
	return 0;
}

bool virtio_present(struct rf_device *d, const struct virtio_pci *v)
{
	return virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_NUM_QUEUES, 2) != 0xffff;
}

/* ---- 3.1.1: initialisation ---------------------------------------------------------------- */

int virtio_reset(struct rf_device *d, const struct virtio_pci *v)
{
	uint64_t deadline = rf_now_ns() + 1000000000u;

	virtio_pci_set(d, v, VIRTIO_DEVICE_STATUS, 0, 1);
	while (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1)) {
		if (rf_now_ns() > deadline) {
			rf_log("%s: the reset does not end", d->label);
			return -ETIMEDOUT;
		}
		rf_sleep_ns(20000);
	}
	return 0;
}

static void add_status(struct rf_device *d, const struct virtio_pci *v, uint32_t bit)
{
	virtio_pci_set(d, v, VIRTIO_DEVICE_STATUS,
		       virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) | bit, 1);
}

static uint64_t offered(struct rf_device *d, const struct virtio_pci *v)
{
	uint64_t bits = 0;

	for (uint32_t half = 0; half < 2; half++) {
		virtio_pci_set(d, v, VIRTIO_DEVICE_FEATURE_SELECT, half, 4);
		bits |= virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_FEATURE, 4)
			<< 32 * half;
	}
	return bits;
}

int virtio_negotiate(struct rf_device *d, struct virtio_pci *v, uint64_t wanted, uint64_t needed)
{
	int err = virtio_reset(d, v);

	if (err)
		return err;
	add_status(d, v, VIRTIO_STATUS_ACKNOWLEDGE);
	add_status(d, v, VIRTIO_STATUS_DRIVER);
	uint64_t have = v->offered = offered(d, v);
	/* Without it the device would address memory past the IOMMU. */
	needed |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM;
	if ((have & needed) != needed) {
		rf_log("%s: does not offer virtio features %#llx%s", d->label,
		       (unsigned long long)(needed & ~have),
		       have & VIRTIO_F_ACCESS_PLATFORM ?
			       "" :
			       " (it must go through the IOMMU: in QEMU, iommu_platform=on)");
		return -EOPNOTSUPP;
	}
	v->features = have & (wanted | needed);
	for (uint32_t half = 0; half < 2; half++) {
		virtio_pci_set(d, v, VIRTIO_DRIVER_FEATURE_SELECT, half, 4);
		virtio_pci_set(d, v, VIRTIO_DRIVER_FEATURE, v->features >> 32 * half & 0xffffffff,
			       4);
	}
	add_status(d, v, VIRTIO_STATUS_FEATURES_OK);
	if (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) &
	    VIRTIO_STATUS_FEATURES_OK)
		return 0;
	rf_log("%s: does not accept virtio features %#llx", d->label,
	       (unsigned long long)v->features);
	return -EOPNOTSUPP;
}

int virtio_queues(struct rf_device *d, struct virtio_pci *v, unsigned count, uint32_t most)
{
	if (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_NUM_QUEUES, 2) < count) {
		rf_log("%s: has fewer than %u queues", d->label, count);
		return -EOPNOTSUPP;
	}
	for (unsigned i = 0; i < count; i++) {
		virtio_pci_set(d, v, VIRTIO_QUEUE_SELECT, i, 2);
		uint32_t size = (uint32_t)virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_SIZE,
							 2);
		uint64_t off = virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_NOTIFY_OFF, 2) *
			       v->multiplier;
		v->size[i] = most;
		while (v->size[i] > size)
			v->size[i] /= 2;
		if (v->size[i] < 2 ||
		    !rf_range_within(off, 2, v->window[VIRTIO_PCI_NOTIFY].bytes)) {
			rf_log("%s: queue %u of %u entries, doorbell at %#llx of %#llx bytes, "
			       "cannot be used",
			       d->label, i, size, (unsigned long long)off,
			       (unsigned long long)v->window[VIRTIO_PCI_NOTIFY].bytes);
			return -EINVAL;
		}
		v->notify[i] = v->window[VIRTIO_PCI_NOTIFY].offset + off;
	}
	rf_log("%s: %s of %u entries", d->label,
	       v->features & VIRTIO_F_RING_PACKED ? "packed queues" : "split queues", v->size[0]);
	return 0;
}

/* Does a structure have a byte in the pages with the doorbells? Refused after a line. */
static int alone(struct rf_device *d, const struct virtio_pci *v)
{
	const struct rf_doorbells *b = &d->doorbell;

	for (int i = VIRTIO_PCI_COMMON; i <= VIRTIO_PCI_DEVICE; i++) {
		const struct virtio_window *w = &v->window[i];

		if (i == VIRTIO_PCI_NOTIFY || w->bar != b->bar ||
		    !rf_range_meets(w->offset, w->bytes, b->page, b->bytes))
			continue;
		rf_log("%s: its doorbells share a page of BAR %u with other registers, so no "
		       "driver gets them",
		       d->label, b->bar);
		return -EINVAL;
	}
	return 0;
}

int virtio_doorbells(struct rf_device *d, struct virtio_pci *v, unsigned count)
{
	d->doorbell.bar = v->window[VIRTIO_PCI_NOTIFY].bar;
	d->doorbell.submit = v->notify[0];
	d->doorbell.complete = v->notify[count - 1];
	d->doorbell.edge = true;
	d->doorbell.last_queue = count - 1;
	int err = doorbell_open(d);
	return err ? err : alone(d, v);
}

int virtio_start_queue(struct rf_device *d, struct virtio_pci *v, unsigned queue, uint64_t iova,
		       int vector)
{
	uint32_t size = v->size[queue];

	virtio_pci_set(d, v, VIRTIO_QUEUE_SELECT, queue, 2);
	virtio_pci_set(d, v, VIRTIO_QUEUE_SIZE, size, 2);
	virtio_pci_set(d, v, VIRTIO_QUEUE_MSIX_VECTOR, (uint64_t)vector, 2);
	if (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_MSIX_VECTOR, 2) !=
	    (uint64_t)vector) {
		rf_log("%s: has no vector %d for queue %u", d->label, vector, queue);
		return -EIO;
	}
	virtio_pci_set64(d, v, VIRTIO_QUEUE_DESC, iova);
	virtio_pci_set64(d, v, VIRTIO_QUEUE_DRIVER, iova + virtq_avail_at(size));
	virtio_pci_set64(d, v, VIRTIO_QUEUE_DEVICE, iova + virtq_used_at(size));
	virtio_pci_set(d, v, VIRTIO_QUEUE_ENABLE, 1, 2);
	v->iova[queue] = iova;
	return 0;
}

#define STATUS_RUNNING \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | \
	 VIRTIO_STATUS_DRIVER_OK)

int virtio_go(struct rf_device *d, struct virtio_pci *v)
{
	virtio_pci_set(d, v, VIRTIO_CONFIG_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR, 2);
	add_status(d, v, VIRTIO_STATUS_DRIVER_OK);
	if (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) == STATUS_RUNNING)
		return 0;
	rf_log("%s: does not start (status %#llx)", d->label,
	       (unsigned long long)virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS,
						  1));
	return -EIO;
}

static bool queue_changed(struct rf_device *d, const struct virtio_pci *v, unsigned queue)
{
	virtio_pci_set(d, v, VIRTIO_QUEUE_SELECT, queue, 2);
	return virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_ENABLE, 2) != 1 ||
	       virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_DESC, 4) !=
		       (v->iova[queue] & 0xffffffff);
}

bool virtio_queue_runs(struct rf_device *d, const struct virtio_pci *v, unsigned queue)
{
	return !queue_changed(d, v, queue) &&
	       virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) == STATUS_RUNNING;
}

/* A device that has reset itself has no queue, and reads 0 here as well: its status tells. */
static int queue_let_go(struct rf_device *d, const struct virtio_pci *v)
{
	uint64_t enabled = virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_ENABLE, 2);

	if (virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) != STATUS_RUNNING)
		return -EIO;
	return enabled ? -EBADMSG : 0;
}

int virtio_drop_queue(struct rf_device *d, struct virtio_pci *v, unsigned queue, uint64_t ns)
{
	uint64_t deadline = rf_now_ns() + ns;
	unsigned wait = DEVICE_PAUSE_NS;

	v->iova[queue] = 0;
	virtio_pci_set(d, v, VIRTIO_QUEUE_SELECT, queue, 2);
	virtio_pci_set(d, v, VIRTIO_QUEUE_RESET, 1, 2);
	for (;;) {
		uint64_t busy = virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_QUEUE_RESET, 2);

		if (busy == 0xffff)
			return -ENODEV;
		if (!busy)
			return queue_let_go(d, v);
		if (rf_now_ns() > deadline)
			return -ETIMEDOUT;
		device_pause(&wait);
	}
}

void virtio_mark(struct rf_device *d, struct virtio_pci *v)
{
	add_status(d, v, VIRTIO_STATUS_ACKNOWLEDGE);
	v->marked = virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1) ==
		    VIRTIO_STATUS_ACKNOWLEDGE;
}

/* 2.1.2: DEVICE_NEEDS_RESET is the device's own word for it; a device that was reset has
 * status 0, and lets go of its queues (2.4.1). One at rest has its mark and nothing else. */
const char *virtio_changed(struct rf_device *d, const struct virtio_pci *v)
{
	uint64_t status = virtio_pci_get(d, v, VIRTIO_PCI_COMMON, VIRTIO_DEVICE_STATUS, 1);
	if (d->left == RF_LEFT_QUIET)
		return v->marked && status != VIRTIO_STATUS_ACKNOWLEDGE ? "its status, at rest" :
									  NULL;
	if (!virtio_present(d, v))
		return "its registers read all ones";
	if (status & VIRTIO_STATUS_NEEDS_RESET)
		return "it asks for a reset (DEVICE_NEEDS_RESET)";
	if (status != STATUS_RUNNING)
		return "its status";
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		if (v->iova[i] && queue_changed(d, v, i))
			return "its queues";
	return NULL;
}
