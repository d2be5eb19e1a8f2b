/* SPDX-License-Identifier: MIT */
/*
 * fuzz_bringup.c - all that rf-device does with a device behind vfio-user, from its regions to
 * the death of a driver, where every offset, size and register is the device's lie.
 *
 * Room:   tests/fuzz. Input: struct recipe, which gets far (a device that answers, with its
 *         structures and doorbells where the input says), then patches of four bytes, each a
 *         place in configuration space or registers and what is there. Messages are honest:
 *         those that are not are fuzz_vfio_user.c's. Waits end at once: the clock jumps.
 * Judged: no access leaves a BAR; the driver's pages hold both doorbells, nothing of MSI-X, and
 *         are there; what a driver of malice has rung arrives at its two doorbells or nowhere;
 *         and the page that stands for them has nothing mapped on either side.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bringup_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the device process does with it ---------------------------------- */

static const struct rf_admin_ops *const admin_planes[] = {
	[RF_ADMIN_NVME] = &rf_admin_nvme, [RF_ADMIN_E1000E] = &rf_admin_e1000e,
	[RF_ADMIN_IGB] = &rf_admin_igb, [RF_ADMIN_VIRTIO_NET] = &rf_admin_virtio_net,
	[RF_ADMIN_VIRTIO_BLK] = &rf_admin_virtio_blk,
};

static void judge_pages(void)
{
	const struct rf_doorbells *b = &d.doorbell;
	uint32_t width = b->edge ? 2 : 4;
	uint64_t regs_at = b->regs, other = regs_at + b->complete - b->submit;
	struct stat st;

	MUST(b->mode != RF_DOORBELL_NONE && b->bytes && !(b->at % RF_PAGE) &&
	     !(b->bytes % RF_PAGE));
	MUST(regs_at <= b->bytes - width && other <= b->bytes - width);
	MUST(regs_at + (d.queue_count - 1) * (uint64_t)b->step <= b->bytes - width);
	MUST(!fstat(b->fd, &st) && b->at + b->bytes <= (uint64_t)((st.st_size + 4095) & ~4095ll));
	MUST(b->mode == RF_DOORBELL_PROXY || fcntl(b->fd, F_GET_SEALS) & F_SEAL_SHRINK);
	if (b->asleep != ~0ull)
		MUST(b->asleep <= (b->sleep_fd >= 0 ? RF_PAGE : b->bytes) - 4);
	if (b->mode != RF_DOORBELL_PAGE && b->mode != RF_DOORBELL_ASLEEP)
		return;
	uint64_t first = b->submit - regs_at, end = first + b->bytes;
	MUST(b->bar != d.msix_table_bar || end <= d.msix_table || first >= d.msix_table_end);
	MUST(b->bar != d.msix_pba_bar || end <= d.msix_pba || first >= d.msix_pba_end);
}

/* A driver that stores anything anywhere in its page, and rings; then its death. */
static void be_rung(void)
{
	struct pollfd p[RF_BACKEND_FDS];
	uint64_t one = 1;

	if (d.doorbell.mode != RF_DOORBELL_PROXY)
		return;
	d.backend->doorbell_clear(&d, 0);
	for (int turn = 0; turn < 2; turn++) {
		memset((char *)(uintptr_t)d.user->proxy, 0x5a + turn, d.doorbell.bytes);
		MUST(write(RF_DEVICE_FD_DEVICE, &one, 8) == 8);
		unsigned count = d.backend->poll_fds(&d, p);
		p[2].revents = POLLIN;
		ringing = true;
		rings = 0;
		MUST(!d.backend->on_poll(&d, p, count));
		ringing = false;
		MUST(rings == 2 * d.queue_count ||
		     (rings == d.queue_count && d.doorbell.submit == d.doorbell.complete));
	}
	d.queue->down = true;
	d.backend->doorbell_clear(&d, 0);
}

/* The last queue's driver dies. */
static void lose_queue(void)
{
	if (d.queue_reset && !d.admin_ops->queue_drop(&d, d.queue_count - 1))
		(void)d.admin_ops->queue_make(&d, d.queue_count - 1, 0);
}

static void use(void)
{
	if (d.backend->open(&d))
		return;
	(void)config_match(&d); /* whatever it is: its admin plane meets it */
	quirks_look(&d);
	config_find_msix(&d);
	if (config_bus_master(&d, true) || dma_map_all(&d) || irq_open(&d))
		return;
	d.admin_ops = admin_planes[d.cfg.admin];
	if (d.admin_ops->identify(&d))
		return; /* the process ends */
	judge_pages();
	for (unsigned half = 0; half < 2; half++)
		(void)d.admin_ops->enable(&d, half);
	be_rung();
	lose_queue();
	if (d.admin_ops->link)
		(void)d.admin_ops->link(&d);
	d.admin_ops->quiet(&d);
	(void)d.backend->reset(&d);
	d.admin_ops->shutdown(&d);
}

static void tidy(void)
{
	for (int i = 0; i < RF_VU_PCI_REGIONS; i++)
		if (d.user && d.user->region[i].fd > 2)
			close(d.user->region[i].fd);
	if (d.doorbell.mode == RF_DOORBELL_ASLEEP || d.doorbell.mode == RF_DOORBELL_SHADOW)
		close(d.doorbell.event);
	if (d.doorbell.mode == RF_DOORBELL_PROXY || d.doorbell.mode == RF_DOORBELL_SHADOW)
		close(d.doorbell.fd);
	if (guarded)
		munmap(guarded, guarded_bytes);
	guarded = NULL;
}

static void fixed_fds(void)
{
	static bool done;
	int fd = eventfd(0, EFD_NONBLOCK);

	for (int i = 3; !done && i < RF_DEVICE_FDS; i++)
		MUST(i == fd || dup2(fd, i) == i);
	done = true;
	if (fd >= RF_DEVICE_FDS)
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < sizeof(r))
		return 0;
	fixed_fds();
	memcpy(&r, data, sizeof(r));
	memset(&d, 0, sizeof(d));
	memset(&user, 0, sizeof(user));
	clock_ns = 0;
	selected = 0;
	memset(&pci, 0, sizeof(pci));
	for (int i = 0; i < 6; i++)
		sizes[i] = r.bar[i] % 32 >= 4 ? 1u << r.bar[i] % 32 : 0;
	d.cfg = (struct rf_device_config){ .admin = RF_ADMIN_NVME +
						  r.kind % (RF_ADMINS - RF_ADMIN_NVME),
					   .backend = RF_BACKEND_VFIO_USER,
					   .interrupts = RF_IRQ_MSIX | RF_IRQ_MSI | RF_IRQ_INTX,
					   .match_class = ~0u,
					   .match_vendor = ~0u,
					   .match_device = ~0u,
					   .arena_bytes = 4 << 20,
					   .queue_bytes = 2 << 20,
					   .queue_entries = 256,
					   .queues = 1,
					   .queue_reset_ms = 4,
					   .name_space = { .kind = RF_NAMESPACE_ID, .id = 1 } };
	d.cfg.service = d.cfg.admin == RF_ADMIN_NVME || d.cfg.admin == RF_ADMIN_VIRTIO_BLK ?
				RF_SERVICE_BLOCK :
				RF_SERVICE_NET;
	if (rf_admin_has_queues(d.cfg.admin)) {
		d.cfg.queues = 1 + r.kind / 16 % 4;
		d.cfg.queue_bytes = (2 << 20) / d.cfg.queues & -RF_PAGE;
	}
	for (uint32_t i = 0; i < d.cfg.queues; i++)
		d.queue[i].index = i;
	d.backend = &rf_backend_vfio_user;
	d.label = "fuzz";
	d.vfio = d.gone_event = -1;
	d.data = memory;
	d.queues = memory + (4 << 20);
	d.queue_count = d.cfg.queues;
	d.admin = memory + (8 << 20);
	build_space();
	build_registers();
	patch(data + sizeof(r), size - sizeof(r));
	use();
	tidy();
	return 0;
}
