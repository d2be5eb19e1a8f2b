/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pci.c - a PCI function of which every byte lies: configuration space with its
 * capability lists, and whatever its registers say to the admin planes.
 *
 * Room:   tests/fuzz. Input: a byte for the admin plane, one a BAR for its size, 16 bits for
 *         the length of configuration space, then that, then what registers read as, over
 *         and over. Waits end at once: the clock jumps.
 * Judged: no access leaves a BAR or configuration space, no page that a driver would get has
 *         a byte of the MSI-X table or PBA, and all that is said of the device is in bounds.
 */
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "nvme.h"
/* Here, and not linked: what it remembers of a device is forgotten between two. */
#include "sandbox/device/admin/virtio_admin.c"

#define MUST(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t space[4096];
static const uint8_t *stream, *stream_at, *stream_end;
static uint64_t clock_ns;
static bool nvme_it_is;
static unsigned admin_done; /* commands answered since it was enabled */
static char memory[8 << 20] __attribute__((aligned(4096)));

void rf_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap); /* formatted all the same */
	va_end(ap);
}

void rf_die(int code, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	abort();
}

uint64_t rf_now_ns(void)
{
	return clock_ns += 50000000;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *t, const sigset_t *mask)
{
	(void)fds;
	(void)count;
	(void)t;
	(void)mask;
	return 0;
}

/* ---- the device -------------------------------------------------------------------- */

static void speak(void *to, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		if (stream_at == stream_end)
			stream_at = stream;
		((uint8_t *)to)[i] = stream_at == stream_end ? 0 : *stream_at++;
	}
}

static int pci_config_read(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	MUST(at <= d->config_size && bytes <= d->config_size - at);
	memcpy(to, space + at, bytes);
	return 0;
}

static int pci_config_write(struct rf_device *d, uint32_t at, const void *from, uint32_t bytes)
{
	MUST(at <= d->config_size && bytes <= d->config_size - at);
	memcpy(space + at, from, bytes);
	return 0;
}

static void inside(const struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	MUST(bar <= 5 && offset <= d->bar[bar].bytes && bytes <= d->bar[bar].bytes - offset);
}

static int pci_bar_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to,
			uint32_t bytes)
{
	inside(d, bar, offset, bytes);
	speak(to, bytes);
	return 0;
}

/* An NVMe's answer to an admin command, right but for what it says, or any DMA at all. */
static void complete(struct rf_device *d, uint32_t tail)
{
	static const unsigned entries = 16;
	struct nvme_sqe *sqe = (struct nvme_sqe *)d->admin + (tail + entries - 1) % entries;
	struct nvme_cqe *cqe = (struct nvme_cqe *)((char *)d->admin + RF_PAGE);
	uint16_t how;

	speak(&how, 2);
	speak((char *)d->admin + 2 * RF_PAGE, sizeof(struct nvme_id_ns));
	if (how & 1) {
		speak((char *)d->admin + RF_PAGE + how % (RF_ADMIN_BYTES - RF_PAGE - 16), 16);
		return;
	}
	cqe[admin_done % entries] =
		(struct nvme_cqe){ .cid = sqe->cid,
				   .status = (uint16_t)(how & 0xf0 ? 0 : how & ~1u) |
					     !(admin_done / entries & 1) };
	admin_done++;
}

static int pci_bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from,
			 uint32_t bytes)
{
	uint32_t value = 0;

	inside(d, bar, offset, bytes);
	memcpy(&value, from, bytes < 4 ? bytes : 4);
	if (!bar && offset == NVME_REG_CC && value & NVME_CC_EN)
		admin_done = 0;
	if (!bar && offset == NVME_REG_DBS && nvme_it_is)
		complete(d, value);
	return 0;
}

static int pci_bar_fd(struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes,
		      uint64_t *at)
{
	inside(d, bar, offset, bytes);
	*at = offset;
	return 0;
}

static uint32_t pci_irq_count(struct rf_device *d, uint32_t index)
{
	uint16_t count;

	(void)d;
	(void)index;
	speak(&count, 2);
	return count;
}

static int pci_set_irqs(struct rf_device *d, uint32_t index, uint32_t action, uint32_t start,
			const int32_t *fds, uint32_t count)
{
	uint8_t refused;

	(void)action;
	(void)fds;
	speak(&refused, 1);
	MUST(index != VFIO_PCI_MSIX_IRQ_INDEX ||
	     start + count <= (d->msix_table_end - d->msix_table) / PCI_MSIX_ENTRY_SIZE);
	return refused & 1 ? -22 : 0;
}

static uint64_t pci_pick_iova(struct rf_device *d, uint64_t from, uint64_t bytes)
{
	(void)d;
	(void)bytes;
	return from;
}

static int pci_map_dma(struct rf_device *d, int fd, uint64_t offset, void *p, uint64_t iova,
		       uint64_t bytes, bool writable)
{
	(void)d;
	(void)fd;
	(void)offset;
	(void)writable;
	MUST(!(iova % RF_PAGE) && !(bytes % RF_PAGE) && (char *)p >= memory &&
	     (char *)p + bytes <= memory + sizeof(memory));
	return 0;
}

static int pci_reset(struct rf_device *d)
{
	uint8_t refused;

	(void)d;
	speak(&refused, 1);
	return refused & 1 ? -22 : 0;
}

static const struct rf_backend_ops hostile = {
	.list = "device", .pick_iova = pci_pick_iova, .map_dma = pci_map_dma,
	.config_read = pci_config_read, .config_write = pci_config_write,
	.bar_read = pci_bar_read, .bar_write = pci_bar_write, .bar_fd = pci_bar_fd,
	.irq_count = pci_irq_count, .set_irqs = pci_set_irqs, .irqs_on = pci_msi_on,
	.reset = pci_reset, .hot_reset = pci_reset,
};

/* ---- what the device process does with it -------------------------------------------- */

static const struct rf_admin_ops *const controls[] = {
	NULL, &rf_admin_nvme, &rf_admin_e1000e, &rf_admin_igb, &rf_admin_virtio_net,
	&rf_admin_virtio_blk,
};

/* The pages the driver would get for its doorbells. */
static void judge_doorbells(const struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;
	uint64_t first = b->at, end = b->at + b->bytes;

	if (b->mode == RF_DOORBELL_NONE)
		return;
	inside(d, b->bar, first, b->bytes);
	MUST(!(first % RF_PAGE) && !(end % RF_PAGE) && b->regs < b->bytes);
	MUST(b->bar != d->msix_table_bar || end <= d->msix_table || first >= d->msix_table_end);
	MUST(b->bar != d->msix_pba_bar || end <= d->msix_pba || first >= d->msix_pba_end);
}

static void judge_words(const struct rf_device *d)
{
	const struct rf_blk_info *i = &d->info;

	if (d->cfg.service == RF_SERVICE_BLOCK)
		MUST((i->block_size == 512 || i->block_size == 4096) && i->size &&
		     i->max_transfer >= 4096 && !(i->max_transfer % 4096));
	else
		MUST(!(d->net.mac[0] & 1) && d->net.mtu >= 68 && d->net.rx_buffer >= 2048);
}

static void use(struct rf_device *d, const struct rf_admin_ops *control)
{
	if (config_snapshot(d) || config_fenced(d))
		return;
	(void)config_match(d); /* whatever it is: its admin plane meets it */
	quirks_look(d);
	config_find_msix(d);
	if (config_bus_master(d, true) || dma_map_all(d) || irq_open(d))
		return;
	(void)pci_bringup(d);
	d->admin_ops = control;
	if (control) {
		if (control->identify(d))
			return; /* the process ends */
		judge_doorbells(d);
		judge_words(d);
		for (unsigned half = 0; half < 2; half++)
			(void)control->enable(d, half);
		(void)control->shutdown(d);
	}
	(void)device_quiesce(d);
	(void)irq_rewire(d);
}

static size_t take(const uint8_t **data, size_t *size, void *to, size_t bytes)
{
	size_t n = bytes < *size ? bytes : *size;

	memcpy(to, *data, n);
	*data += n;
	*size -= n;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rf_device d;
	uint8_t head[8] = {0};
	uint16_t length = 0;

	take(&data, &size, head, sizeof(head));
	take(&data, &size, &length, sizeof(length));
	memset(space, 0, sizeof(space));
	take(&data, &size, space, length < sizeof(space) ? length : sizeof(space));
	stream = stream_at = data;
	stream_end = data + size;
	clock_ns = 0;
	memset(&pci, 0, sizeof(pci));
	memset(&d, 0, sizeof(d));
	d.backend = &hostile;
	/* Not really: so that registers are reached by the back end, and not mapped. */
	d.user = (void *)memory;
	d.label = "fuzz";
	d.vfio = d.gone_event = -1;
	d.config_offset = 1;
	d.config_size = head[7] & 1 ? 256 : 4096;
	for (int i = 0; i < 6; i++)
		d.bar[i] = (struct rf_bar){.bytes = head[1 + i] % 32 ? 1ull << head[1 + i] % 32 : 0,
					   .mappable = !(head[1 + i] & 0x80)};
	d.cfg = (struct rf_device_config){ .interrupts = RF_IRQ_MSIX | RF_IRQ_MSI | RF_IRQ_INTX,
					   .match_class = ~0u,
					   .match_vendor = ~0u,
					   .match_device = ~0u,
					   .arena_bytes = 4 << 20,
					   .queue_bytes = 1 << 20,
					   .queue_entries = 256,
					   .queues = 1,
					   .name_space = { .kind = head[0] / 6 % 5, .id = 1 },
					   .queue_reset_ms = head[0] / 30 & 1 ? 4 : 0,
					   .service = (head[0] % 6 >= 2 && head[0] % 6 <= 4) ?
							      RF_SERVICE_NET :
							      RF_SERVICE_BLOCK,
					   .step_count = 1,
					   .step = { { .poll = true,
						       .bar = 0,
						       .bytes = 4,
						       .offset = 0x1c,
						       .mask = 1,
						       .value = 0,
						       .within_ms = 1 } } };
	if (head[0] % 6 >= 4) /* virtio: the policy's reset must hit its status */
		d.cfg.step_count = 0;
	d.data = memory;
	d.queues = memory + (4 << 20);
	d.queue_count = d.cfg.queues;
	d.admin = memory + (6 << 20);
	nvme_it_is = head[0] % 6 == 1;
	use(&d, controls[head[0] % 6]);
	if (d.gone_event >= 0)
		close(d.gone_event);
	return 0;
}
