/* SPDX-License-Identifier: MIT */
/*
 * vfio_user_device.c - the vfio-user back end: a device that another process plays.
 *
 * Room:   sandbox/device/vfio_user. Messages are vfio_user.c's; here is what they mean.
 * Trust:  sizes, offsets and counts are the server's word; vfio_user_region.c has checked them.
 * Order:  writes to registers are posted. The server takes messages in order, so a read
 *         that comes after sees what they did.
 */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "log.h"
#include "user.h"
#include "wait.h"

#define ANSWER_NS 5000000000ull  /* what an answer may take, */
#define RESET_NS  15000000000ull /* and a reset */

/* ---- access ------------------------------------------------------------------------ */

static int region_read(struct rf_vfio_user *u, uint32_t region, uint64_t offset, void *to,
		       uint32_t bytes)
{
	uint32_t most = u->peer.max_data < 4096 ? (uint32_t)u->peer.max_data : 4096;

	for (uint32_t done = 0, part; done < bytes; done += part) {
		part = bytes - done < most ? bytes - done : most;
		struct rf_vu_region_access ask = { .offset = offset + done,
						   .region = region,
						   .count = part };
		struct { struct rf_vu_region_access head; unsigned char data[4096]; } got;
		struct user_call c = { .command = RF_VU_REGION_READ,
				       .head = &ask,
				       .head_bytes = sizeof(ask),
				       .reply = &got,
				       .reply_min = sizeof(got.head),
				       .reply_room = sizeof(got.head) + part };
		int n = user_call(u, &c);
		if (n < 0)
			return n;
		if (got.head.offset != ask.offset || got.head.region != region ||
		    got.head.count != part || (uint32_t)n != sizeof(got.head) + part)
			return user_dead(
				u, "read %u bytes of region %u when asked for %u of region %u",
				got.head.count, got.head.region, part, region);
		memcpy((char *)to + done, got.data, part);
	}
	return 0;
}

static int region_write(struct rf_vfio_user *u, uint32_t region, uint64_t offset, const void *from,
			uint32_t bytes, bool posted)
{
	struct rf_vu_region_access ask = { .offset = offset, .region = region, .count = bytes },
				   got;
	struct user_call c = { .command = RF_VU_REGION_WRITE,
			       .head = &ask,
			       .head_bytes = sizeof(ask),
			       .data = from,
			       .data_bytes = bytes,
			       .reply = &got,
			       .reply_min = sizeof(got),
			       .reply_room = sizeof(got) };

	RF_BUG_ON(bytes > 8);
	if (posted)
		return user_post(u, &c);
	int n = user_call(u, &c);
	if (n < 0)
		return n;
	return got.offset == offset && got.region == region && got.count == bytes ?
		       0 :
		       user_dead(u, "wrote %u bytes of region %u when asked for %u of region %u",
				 got.count, got.region, bytes, region);
}

static int user_config_read(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	return region_read(d->user, RF_VU_CONFIG, at, to, bytes);
}

static int user_config_write(struct rf_device *d, uint32_t at, const void *from, uint32_t bytes)
{
	return region_write(d->user, RF_VU_CONFIG, at, from, bytes, false);
}

static int user_bar_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to,
			 uint32_t bytes)
{
	return region_read(d->user, bar, offset, to, bytes);
}

static int user_bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from,
			  uint32_t bytes)
{
	return region_write(d->user, bar, offset, from, bytes, true);
}

static int user_bar_fd(struct rf_device *d, uint32_t bar, uint64_t offset, uint64_t bytes,
		       uint64_t *at)
{
	return user_region_fd(&d->user->region[bar], offset, bytes, at);
}

/* ---- memory ------------------------------------------------------------------------ */

static uint64_t user_pick_iova(struct rf_device *d, uint64_t from, uint64_t bytes)
{
	(void)d;
	(void)bytes;
	return (from + (2u << 20) - 1) & ~((2ull << 20) - 1);
}

static int user_map_dma(struct rf_device *d, int fd, uint64_t offset, void *p, uint64_t iova,
			uint64_t bytes, bool writable)
{
	struct rf_vfio_user *u = d->user;
	struct rf_vu_dma_map map = {
		.argsz = sizeof(map),
		.flags = RF_VU_DMA_READABLE | (writable ? RF_VU_DMA_WRITEABLE : 0),
		.offset = offset,
		.address = iova,
		.size = bytes,
	};
	struct user_call c = { .command = RF_VU_DMA_MAP, .head = &map, .head_bytes = sizeof(map),
			       .fds = &fd, .fd_count = 1 };

	if (!(u->peer.page_sizes & RF_PAGE)) {
		rf_log("%s: its server maps no pages of 4 KiB", d->label);
		return RF_EXIT_DEVICE;
	}
	RF_BUG_ON(u->maps == USER_MAPS);
	if (u->maps >= u->peer.max_maps) {
		rf_log("%s: its server takes %llu pieces of memory, too few", d->label,
		       (unsigned long long)u->peer.max_maps);
		return RF_EXIT_DEVICE;
	}
	int n = user_call(u, &c);
	if (n < 0) {
		if (n != -ENODEV)
			rf_log("%s: its server refuses %llu KiB of memory: %s", d->label,
			       (unsigned long long)bytes >> 10, strerror(-n));
		return RF_EXIT_DEVICE;
	}
	u->map[u->maps++] =
		(struct user_map){ .iova = iova, .bytes = bytes, .p = p, .writable = writable };
	return 0;
}

/* ---- interrupts ---------------------------------------------------------------------- */

static uint32_t user_irq_count(struct rf_device *d, uint32_t index)
{
	struct rf_vu_irq_info info = { .argsz = sizeof(info), .index = index };
	struct user_call c = { .command = RF_VU_GET_IRQ_INFO,
			       .head = &info,
			       .head_bytes = sizeof(info),
			       .reply = &info,
			       .reply_min = sizeof(info),
			       .reply_room = sizeof(info) };

	if (index >= d->user->irqs || user_call(d->user, &c) < 0)
		return 0;
	if (info.index != index || info.argsz < sizeof(info)) {
		user_dead(d->user, "described interrupt kind %u in %u bytes when asked for %u",
			  info.index, info.argsz, index);
		return 0;
	}
	return info.flags & RF_VU_IRQ_EVENTFD ? info.count : 0;
}

/* One vector a message: a server may take no more than one fd at a time. */
static int user_set_irqs(struct rf_device *d, uint32_t index, uint32_t action, uint32_t start,
			 const int32_t *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct rf_vu_set_irqs set = { .argsz = sizeof(set),
					      .flags = RF_VU_SET_DATA_EVENTFD | action,
					      .index = index,
					      .start = start + i,
					      .count = 1 };
		struct user_call c = { .command = RF_VU_SET_IRQS,
				       .head = &set,
				       .head_bytes = sizeof(set),
				       .fds = &fds[i],
				       .fd_count = 1 };
		int n = fds[i] < 0 ? 0 : user_call(d->user, &c);
		if (n < 0)
			return n;
	}
	return 0;
}

/* ---- reset ------------------------------------------------------------------------------ */

/* Resets the device, and sets addresses, decoding and MSI-X up again, which the reset clears. */
static int user_reset(struct rf_device *d)
{
	struct user_call c = { .command = RF_VU_DEVICE_RESET, .within_ns = RESET_NS };
	int err;

	if (!(d->user->device_flags & RF_VU_DEVICE_RESETS))
		return -EOPNOTSUPP;
	if ((err = user_call(d->user, &c)) < 0 || (err = pci_bringup(d)))
		return err;
	return irq_rewire(d);
}

static bool user_alive(const struct rf_device *d)
{
	return !d->user->dead;
}

static int user_hot_reset(struct rf_device *d)
{
	(void)d;
	return -EOPNOTSUPP; /* it is alone on its bus */
}

/* ---- the main loop's part ------------------------------------------------------------------ */

static unsigned user_poll_fds(struct rf_device *d, struct pollfd *p)
{
	bool proxy = d->doorbell.mode == RF_DOORBELL_PROXY;

	p[0] = (struct pollfd){ .fd = d->user->sock, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = d->user->twin, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = proxy ? RF_DEVICE_FD_DEVICE : -1, .events = POLLIN };
	return 3;
}

static int user_on_poll(struct rf_device *d, const struct pollfd *p, unsigned count)
{
	struct rf_vfio_user *u = d->user;

	RF_BUG_ON(count != 3);
	if (p[2].revents)
		user_doorbell_forward(d);
	/* A message that poll() saw may have been served meanwhile, while waiting for an answer. */
	for (int i = 0; i < 2 && !u->dead; i++) {
		struct pollfd now = { .fd = i ? u->twin : u->sock, .events = POLLIN };
		if (p[i].revents && rf_wait_fds(&now, 1, 0) > 0)
			(void)user_serve(u, now.fd);
	}
	return u->dead ? -ENODEV : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int user_open(struct rf_device *d)
{
	static struct rf_vfio_user user;
	struct rf_vfio_user *u = d->user = &user;
	int err;

	*u = (struct rf_vfio_user){ .label = d->label, .sock = RF_DEVICE_FD_GROUP, .twin = -1,
				    .within_ns = ANSWER_NS };
	if ((err = user_handshake(u)))
		return err;
	if (user_regions(u))
		return RF_EXIT_DEVICE;
	for (uint32_t i = 0; i <= RF_VU_BAR5; i++)
		d->bar[i] = (struct rf_bar){ .bytes = u->region[i].bytes,
					     .mappable = u->region[i].fd >= 0 };
	d->config_size = u->region[RF_VU_CONFIG].bytes < sizeof(d->config) ?
				 (uint32_t)u->region[RF_VU_CONFIG].bytes : sizeof(d->config);
	if ((err = config_snapshot(d)) || pci_bringup(d))
		return err ? err : RF_EXIT_DEVICE;
	if (!(u->device_flags & RF_VU_DEVICE_RESETS))
		rf_log("%s: its device server cannot reset it: a soft reset that fails is the end",
		       d->label);
	return 0;
}

const struct rf_backend_ops rf_backend_vfio_user = {
	.list = "device-vfio-user",
	.open = user_open,
	.pick_iova = user_pick_iova,
	.map_dma = user_map_dma,
	.config_read = user_config_read,
	.config_write = user_config_write,
	.bar_read = user_bar_read,
	.bar_write = user_bar_write,
	.bar_fd = user_bar_fd,
	.irq_count = user_irq_count,
	.set_irqs = user_set_irqs,
	.irqs_on = pci_msi_on,
	.alive = user_alive,
	.reset = user_reset,
	.hot_reset = user_hot_reset,
	.doorbell = user_doorbell,
	.doorbell_clear = user_doorbell_clear,
	.poll_fds = user_poll_fds,
	.on_poll = user_on_poll,
};
