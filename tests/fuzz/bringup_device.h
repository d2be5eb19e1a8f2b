/* SPDX-License-Identifier: MIT */
/*
 * bringup_device.h - a device behind vfio-user that answers, and whose every offset, size and
 * register is the input's; with the sources of rf-device that meet it.
 *
 * Room:   tests/fuzz. Included by fuzz_bringup.c alone, which says what is judged.
 */
#ifndef RF_BRINGUP_DEVICE_H
#define RF_BRINGUP_DEVICE_H

#include <linux/pci_regs.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "nvme.h"
#include "igb.h"
#include "intel_nic.h"
#include "quiet_log.h"
#include "user.h"
#include "virtio.h"

static void *guarded_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
#define mmap guarded_mmap
#include "sandbox/device/vfio_user/vfio_user_doorbell.c"
#undef mmap
#include "sandbox/device/vfio_user/vfio_user_region.c"
#include "sandbox/device/vfio_user/vfio_user_device.c"
#include "sandbox/device/core/bar.c"
#include "sandbox/device/core/config_space.c"
#include "sandbox/device/core/dma.c"
#include "sandbox/device/core/doorbell.c"
#include "sandbox/device/core/interrupts.c"
#include "sandbox/device/core/pci_bringup.c"
#include "sandbox/device/core/quirks.c"
#include "sandbox/device/admin/intel_nic.c"
#include "sandbox/device/admin/virtio_pci.c"
/* Here, and not linked: what it remembers of a device is forgotten between two. */
#include "sandbox/device/admin/virtio_admin.c"

#define MUST(x) ((x) ? (void)0 : abort())
#define SPACE   0x20000u /* register file: of any BAR the first so many bytes */

struct recipe {
	uint8_t  kind, flags, dstrd, vectors;
	uint8_t  bar[6];                /* sizes, as powers of two */
	uint8_t  notify_bar, table_bar;
	uint32_t common, notify, device, notify_bytes, multiplier;
	uint32_t table, pba;
	uint16_t notify_off[2], size[2];
	uint32_t area[2][2];
	uint32_t region_offset, fd_bytes;
	uint64_t asleep, entry_offset, entry_size, shadow_offset;
	uint32_t entry_type, features;
} __attribute__((packed));
enum {
	MAPPABLE = 1,
	SEALED = 2,
	SLEEPS = 4,
	SHADOWS = 8,
	ENTRIES = 16,
	AREAS = 32,
	CONVENTIONAL = 64,
	PACKED = 128
};

static struct recipe r;
static struct rf_device d;
static struct rf_vfio_user user;
static uint8_t  space[4096], regs[SPACE];
static uint32_t sizes[6];
static uint64_t clock_ns;
static unsigned admin_done, selected, rings;
static bool     ringing; /* only doorbells may be written now */
static char memory[9 << 20] __attribute__((aligned(4096)));

uint64_t rf_now_ns(void)
{
	return clock_ns += 50000000;
}

/* What is there is there at once, and time costs none. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *t, const sigset_t *mask)
{
	(void)t;
	(void)mask;
	return count ? poll(fds, count, 0) : 0;
}

int user_dead(struct rf_vfio_user *u, const char *fmt, ...)
{
	(void)fmt;
	u->dead = true;
	return -ENODEV;
}

int user_serve(struct rf_vfio_user *u, int sock)
{
	(void)sock;
	return u->dead ? -ENODEV : 0;
}

int user_handshake(struct rf_vfio_user *u)
{
	u->peer = (struct user_peer){ .max_fds = 8,
				      .max_data = 32768,
				      .max_maps = 65535,
				      .page_sizes = 4096,
				      .sleeps = r.flags & SLEEPS,
				      .shadows = r.flags & SHADOWS,
				      .asleep = r.asleep & ~3ull };
	return 0;
}

void rf_close_all(int *fds, int count)
{
	while (count)
		close(fds[--count]);
}

/* ---- memory ----------------------------------------------------------------------------- */

static char  *guarded; /* what was mapped, with a page that cannot be touched on either side */
static size_t guarded_bytes;

static void *guarded_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	MUST(!at && bytes <= RF_DOORBELL_BYTES && !guarded);
	guarded_bytes = bytes + 2 * RF_PAGE;
	guarded = mmap(NULL, guarded_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(guarded != MAP_FAILED);
	return mmap(guarded + RF_PAGE, bytes, prot, flags | MAP_FIXED, fd, offset);
}

static int server_memory(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, r.fd_bytes % (1 << 20)));
	if (r.flags & SEALED)
		MUST(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	return fd;
}

/* ---- the device: registers keep what is written, but for those that must do something -------- */

static uint64_t bar_bytes(uint32_t bar)
{
	return bar <= 5 ? sizes[bar] : 0;
}

/* An NVMe's answer to an admin command: whatever its identify pages hold. */
static void nvme_complete(uint32_t tail)
{
	const struct nvme_sqe *sqe = (struct nvme_sqe *)d.admin + (tail + 15) % 16;
	struct nvme_cqe *cqe = (struct nvme_cqe *)((char *)d.admin + RF_PAGE);

	memcpy((char *)d.admin + 2 * RF_PAGE, regs + 0x4000, RF_PAGE);
	cqe[admin_done % 16] =
		(struct nvme_cqe){ .cid = sqe->cid, .status = !(admin_done / 16 & 1) };
	admin_done++;
}

static bool is_queue_word(uint32_t bar, uint64_t offset, uint32_t which)
{
	return d.cfg.admin >= RF_ADMIN_VIRTIO_NET && bar == 4 && offset == r.common + which;
}

static void register_written(uint32_t bar, uint64_t offset, uint32_t value)
{
	if (is_queue_word(bar, offset, VIRTIO_QUEUE_SELECT))
		selected = value;
	/* A queue is reset at once, and is not enabled any more. */
	if (is_queue_word(bar, offset, VIRTIO_QUEUE_RESET) && offset <= SPACE - 2) {
		memset(regs + offset, 0, 2);
		memset(regs + offset - VIRTIO_QUEUE_RESET + VIRTIO_QUEUE_ENABLE, 0, 2);
	}
	if (d.cfg.admin == RF_ADMIN_NVME && !bar && offset == NVME_REG_CC) {
		uint32_t status = value & NVME_CC_EN       ? NVME_CSTS_RDY :
				  value & NVME_CC_SHN_MASK ? 2u << 2 :
							     0;
		memcpy(regs + NVME_REG_CSTS, &status, 4);
		admin_done = 0;
	}
	if (d.cfg.admin == RF_ADMIN_NVME && !bar && offset == NVME_REG_DBS)
		nvme_complete(value);
	if ((d.cfg.admin == RF_ADMIN_E1000E || d.cfg.admin == RF_ADMIN_IGB) && !bar &&
	    offset == INTEL_CTRL)
		regs[3] &= (uint8_t)~(INTEL_CTRL_RST >> 24);
}

static bool is_doorbell(uint64_t at)
{
	for (uint32_t i = 0; i < d.queue_count; i++)
		if (at == d.doorbell.submit + (uint64_t)i * d.doorbell.step ||
		    at == d.doorbell.complete + (uint64_t)i * d.doorbell.step)
			return true;
	return false;
}

static int access_bar(const struct rf_vu_region_access *a, void *data, bool write)
{
	uint64_t bytes = bar_bytes(a->region), at = a->offset;

	/* The client's own checks: the server has none of its own here. */
	MUST(at <= bytes && a->count <= bytes - at);
	if (write && ringing) {
		MUST(a->region == d.doorbell.bar && is_doorbell(at) &&
		     a->count == (d.doorbell.edge ? 2u : 4u));
		rings++;
	}
	if (at > SPACE || a->count > SPACE - at) {
		memset(data, write ? 0 : 0xff, write ? 0 : a->count);
		return 0;
	}
	if (!write) {
		memcpy(data, regs + at, a->count);
		if (is_queue_word(a->region, at, VIRTIO_QUEUE_SIZE))
			memcpy(data, &r.size[selected & 1], 2);
		if (is_queue_word(a->region, at, VIRTIO_QUEUE_NOTIFY_OFF))
			memcpy(data, &r.notify_off[selected & 1], 2);
		return 0;
	}
	uint32_t value = 0;
	memcpy(&value, data, a->count < 4 ? a->count : 4);
	memcpy(regs + at, data, a->count);
	register_written(a->region, at, value);
	return 0;
}

static int access_config(const struct rf_vu_region_access *a, void *data, bool write)
{
	MUST(a->offset <= d.config_size && a->count <= d.config_size - a->offset);
	MUST(!write || a->offset == PCI_COMMAND || (a->offset >= 0x10 && a->offset < 0x28) ||
	     a->offset >= 0x40);
	if (!write)
		memcpy(data, space + a->offset, a->count);
	else if (a->offset < 0x10 || a->offset >= 0x28 || a->count != 4)
		memcpy(space + a->offset, data, a->count);
	else {
		uint32_t bar = ((uint32_t)a->offset - 0x10) / 4, value;
		memcpy(&value, data, 4);
		value &= sizes[bar] ? -sizes[bar] : 0;
		value |= r.vectors & 2 && sizes[bar] ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
		memcpy(space + a->offset, &value, 4);
	}
	return 0;
}

/* ---- the server ------------------------------------------------------------ */

static int region_reply(const struct rf_vu_region_info *ask, struct user_call *c)
{
	struct {
		struct rf_vu_region_info info;
		struct rf_vu_cap cap;
		uint32_t areas, reserved;
		struct rf_vu_sparse_area area[2];
	} out = { .info = { .argsz = sizeof(out.info),
			    .index = ask->index,
			    .flags = 3,
			    .offset = r.region_offset,
			    .size = ask->index == RF_VU_CONFIG ?
					    (r.flags & CONVENTIONAL ? 256 : 4096) :
					    bar_bytes(ask->index) },
		  .cap = { RF_VU_CAP_SPARSE_MMAP, 1, 0 },
		  .areas = 2 };

	if (ask->index <= RF_VU_BAR5 && r.flags & MAPPABLE) {
		out.info.flags |= RF_VU_REGION_MMAP;
		c->reply_fds[0] = server_memory();
		c->reply_fd_count = 1;
		if (r.flags & AREAS) {
			out.info.flags |= RF_VU_REGION_CAPS;
			out.info.argsz = sizeof(out);
			out.info.cap_offset = sizeof(out.info);
			for (int i = 0; i < 2; i++)
				out.area[i] =
					(struct rf_vu_sparse_area){ r.area[i][0], r.area[i][1] };
		}
	}
	memcpy(c->reply, &out, out.info.argsz);
	return (int)out.info.argsz;
}

static int io_reply(const struct rf_vu_io_fds *ask, struct user_call *c)
{
	struct { struct rf_vu_io_fds head; struct rf_vu_io_shadow e;
	} out = { .head = { .argsz = sizeof(out), .index = ask->index, .count = 1 },
		  .e = { .offset = r.entry_offset,
			 .size = r.entry_size,
			 .type = r.entry_type % 3,
			 .shadow_index = 1,
			 .shadow_offset = r.shadow_offset } };

	if (!(r.flags & ENTRIES))
		return -EINVAL;
	c->reply_fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->reply_fds[1] = server_memory();
	c->reply_fd_count = 2;
	memcpy(c->reply, &out, sizeof(out));
	return sizeof(out);
}

static int access_reply(struct user_call *c, bool write)
{
	struct rf_vu_region_access a;
	char *data = write ? (char *)(uintptr_t)c->data : (char *)c->reply + sizeof(a);

	memcpy(&a, c->head, sizeof(a));
	int err = a.region == RF_VU_CONFIG ? access_config(&a, data, write) :
					     access_bar(&a, data, write);
	if (c->reply)
		memcpy(c->reply, &a, sizeof(a));
	return err ? err : (int)(sizeof(a) + (write ? 0 : a.count));
}

int user_call(struct rf_vfio_user *u, struct user_call *c)
{
	struct rf_vu_device_info info = { 16, RF_VU_DEVICE_PCI | RF_VU_DEVICE_RESETS, 9, 5 };
	struct rf_vu_irq_info irq;

	c->reply_fd_count = 0;
	if (u->dead)
		return -ENODEV;
	switch (c->command) {
	case RF_VU_DEVICE_GET_INFO:
		memcpy(c->reply, &info, sizeof(info));
		return sizeof(info);
	case RF_VU_GET_REGION_INFO:
		return region_reply(c->head, c);
	case RF_VU_GET_REGION_IO_FDS:
		return io_reply(c->head, c);
	case RF_VU_GET_IRQ_INFO:
		memcpy(&irq, c->head, sizeof(irq));
		irq.flags = RF_VU_IRQ_EVENTFD;
		irq.count = r.vectors;
		memcpy(c->reply, &irq, sizeof(irq));
		return sizeof(irq);
	case RF_VU_REGION_READ:
		return access_reply(c, false);
	case RF_VU_REGION_WRITE:
		return access_reply(c, true);
	case RF_VU_DEVICE_RESET:
		memset(space + PCI_COMMAND, 0, 2);
	}
	return 0;
}

int user_post(struct rf_vfio_user *u, const struct user_call *c)
{
	struct user_call copy = *c;

	copy.reply = NULL;
	return u->dead ? -ENODEV : (access_reply(&copy, true), 0);
}

/* ---- what is built from the input ------------------------------------------ */

static void put(uint32_t at, uint64_t value, uint32_t bytes)
{
	memcpy(space + at, &value, bytes);
}

static void put_window(uint32_t at, uint8_t next, uint8_t type, uint32_t bar, uint32_t offset,
		       uint32_t bytes)
{
	put(at, VIRTIO_PCI_CAP_VENDOR | next << 8 | 20u << 16 | (uint32_t)type << 24, 4);
	put(at + VIRTIO_PCI_CAP_BAR, bar, 1);
	put(at + VIRTIO_PCI_CAP_OFFSET, offset, 4);
	put(at + VIRTIO_PCI_CAP_LENGTH, bytes, 4);
	put(at + VIRTIO_PCI_CAP_MULTIPLIER, r.multiplier, 4);
}

static void build_space(void)
{
	memset(space, 0, sizeof(space));
	put(0, 0x56781234, 4);
	put(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(PCI_INTERRUPT_PIN, r.vectors & 1, 1);
	put(PCI_CAPABILITY_LIST, 0x40, 1);
	put(0x40, PCI_CAP_ID_MSIX | 0x50 << 8 | (uint32_t)r.vectors << 16, 4);
	put(0x44, (r.table & ~7u) | r.table_bar % 8, 4);
	put(0x48, (r.pba & ~7u) | r.table_bar % 8, 4);
	put_window(0x50, 0x70, VIRTIO_PCI_COMMON, 4, r.common,
		   VIRTIO_COMMON_RESET_BYTES);
	put_window(0x70, 0x90, VIRTIO_PCI_NOTIFY, r.notify_bar % 6, r.notify, r.notify_bytes);
	put_window(0x90, 0, VIRTIO_PCI_DEVICE, 4, r.device, 64);
}

static void build_registers(void)
{
	uint64_t cap = 0xff | (uint64_t)(r.dstrd & 15) << 32 | 1ull << 37 | 1ull << 24;

	memset(regs, 0, sizeof(regs));
	if (d.cfg.admin == RF_ADMIN_NVME) {
		memcpy(regs, &cap, 8);
		regs[0x4000 + 7] = 1;   /* namespace size; and the format is of 512 bytes */
		regs[0x4000 + 128 + 2] = 9;
	} else if (d.cfg.admin < RF_ADMIN_VIRTIO_NET) {
		memcpy(regs + INTEL_RAL(0), "\x02\x11\x22\x33\x44\x55\0\x80", 8);
		regs[INTEL_STATUS] = INTEL_STATUS_LU;
		regs[IGB_MDIC + 3] = 0x10;
		regs[IGB_RXDCTL + 3] = regs[IGB_TXDCTL + 3] = 2;
	} else if (r.common <= SPACE - VIRTIO_COMMON_RESET_BYTES) {
		uint32_t features = r.features | 1u << 28 | 1u << 5 | 3;
		memcpy(regs + r.common + VIRTIO_DEVICE_FEATURE, &features, 4);
		regs[r.common + VIRTIO_NUM_QUEUES] = 3;
	}
	/* 2:0:1:0:0:0, or that many sectors; a request of a megabyte; blocks of 512 bytes. */
	if (d.cfg.admin >= RF_ADMIN_VIRTIO_NET && r.device <= SPACE - 64) {
		regs[r.device] = 2;
		regs[r.device + 2] = 1;
		regs[r.device + 10] = 0x10;
		regs[r.device + 21] = 2;
		regs[r.device + VIRTIO_BLK_CFG_NUM_QUEUES] = 1 + r.kind / 64;
	}
}

static void patch(const uint8_t *data, size_t size)
{
	for (; size >= 4; data += 4, size -= 4) {
		uint32_t at = data[0] | (uint32_t)data[1] << 8 | (uint32_t)(data[2] & 3) << 16;

		if (at < sizeof(space))
			space[at] = data[3];
		else if (at - sizeof(space) < SPACE)
			regs[at - sizeof(space)] = data[3];
	}
}

#endif
