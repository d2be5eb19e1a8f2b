/* SPDX-License-Identifier: MIT */
/*
 * virtio_admin.c - the admin planes of virtio network and block devices: features,
 * status, device configuration, and where the queues lie.
 *
 * Room:   sandbox/device/admin. Virtual I/O Device 1.2: 5.1 (network), 5.2 (block).
 * Trust:  the configuration is the device's word, and checked as such.
 * Queues: a disk's are virtio_queues.c's.
 * Link:   read at bring-up and by link.c; the configuration interrupt is not used.
 */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "virtio_pci.h"

static struct virtio_pci pci;

static bool virtio_ctl_present(struct rf_device *d)
{
	return virtio_present(d, &pci);
}

static void virtio_ctl_mark(struct rf_device *d)
{
	virtio_mark(d, &pci);
}

static const char *virtio_ctl_changed(struct rf_device *d)
{
	return virtio_changed(d, &pci);
}

/* Resets the device, which gives up its queues by that (2.4.1). */
static void virtio_quiet(struct rf_device *d)
{
	if (virtio_present(d, &pci))
		(void)virtio_reset(d, &pci);
}

/* A reset does not tell whether what is cached behind the device was written. */
static bool virtio_shutdown(struct rf_device *d)
{
	virtio_quiet(d);
	return false;
}

/* Does what every start needs: features as negotiated at bring-up, bus mastering. */
static int virtio_begin(struct rf_device *d, unsigned half, int *vector)
{
	int err = virtio_negotiate(d, &pci, pci.features, pci.features);

	if (err)
		return err;
	if (config_bus_master(d, true))
		return -EIO;
	*vector = irq_vector(d, 0, half);
	if (*vector >= 0)
		return 0;
	rf_log("%s: interrupt: %s", d->label, strerror(-*vector));
	return *vector;
}

static int check_memory(struct rf_device *d, uint64_t bytes)
{
	if (bytes <= d->cfg.queue_bytes)
		return 0;
	rf_log("%s: its queues need %llu bytes of queue memory", d->label,
	       (unsigned long long)bytes);
	return -EINVAL;
}

/* ---- 5.1 network ------------------------------------------------------------------------ */

#define NET_WANTED \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_HOST_TSO4 | \
	 VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX | \
	 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_RING_PACKED | VIRTIO_F_ORDER_PLATFORM)

static uint32_t net_features(uint64_t f)
{
	uint32_t has = f & VIRTIO_NET_F_GUEST_CSUM ? RF_NET_HAS_RX_CSUM : 0;

	/* Frames with offloads or in parts take an indirect table. */
	if (!(f & VIRTIO_F_INDIRECT_DESC))
		return has;
	has |= RF_NET_HAS_SG;
	if (!(f & VIRTIO_NET_F_CSUM))
		return has;
	has |= RF_NET_HAS_TX_CSUM;
	if (f & VIRTIO_NET_F_HOST_TSO4)
		has |= RF_NET_HAS_TSO4;
	if (f & VIRTIO_NET_F_HOST_TSO6)
		has |= RF_NET_HAS_TSO6;
	return has;
}

static enum rf_net_link net_link(struct rf_device *d)
{
	uint64_t status = pci.features & VIRTIO_NET_F_STATUS ?
				  virtio_config(d, &pci, VIRTIO_NET_CFG_STATUS, 2) :
				  VIRTIO_NET_S_LINK_UP;

	if (status == 0xffff)
		return RF_NET_LINK_NONE;
	return status & VIRTIO_NET_S_LINK_UP ? RF_NET_LINK_UP : RF_NET_LINK_DOWN;
}

static int net_describe(struct rf_device *d)
{
	uint64_t mtu = pci.features & VIRTIO_NET_F_MTU ?
			       virtio_config(d, &pci, VIRTIO_NET_CFG_MTU, 2) :
			       1500;
	uint32_t speed = pci.features & VIRTIO_NET_F_SPEED_DUPLEX ?
				 (uint32_t)virtio_config(d, &pci, VIRTIO_NET_CFG_SPEED, 4) : 0;
	d->net = (struct rf_net_info){
		.mtu = (uint16_t)mtu, .features = net_features(pci.features), .rx_buffer = 2048,
		.rx_count = RF_NET_DEPTH, .link = net_link(d),
		.speed = speed <= INT32_MAX ? speed : 0,
	};
	d->net.tx_max =
		d->net.features & (RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6) ? 65535 : (uint32_t)mtu + 18;
	for (uint32_t i = 0; i < 6; i++)
		d->net.mac[i] = (uint8_t)virtio_config(d, &pci, VIRTIO_NET_CFG_MAC + i, 1);
	if (d->net.mac[0] & 1 || !memcmp(d->net.mac, "\0\0\0\0\0", 6) || mtu < 68) {
		rf_log("%s: has no usable Ethernet address, or an MTU of %llu", d->label,
		       (unsigned long long)mtu);
		return -EINVAL;
	}
	/* Frames larger than the largest buffer are not asked for: 9 KB is enough for all. */
	if (mtu > 16000)
		d->net.mtu = 16000;
	while (d->net.rx_buffer < d->net.mtu + 18u)
		d->net.rx_buffer *= 2;
	if (d->net.rx_buffer > 2048)
		d->net.rx_count = RF_NET_DEPTH / 4;
	return 0;
}

static int net_identify(struct rf_device *d)
{
	int err;

	if ((err = virtio_open(d, &pci)) ||
	    (err = virtio_negotiate(d, &pci, NET_WANTED, VIRTIO_NET_F_MAC)) ||
	    (err = virtio_queues(d, &pci, 2,
				 d->cfg.queue_entries < 2 * RF_NET_DEPTH ? d->cfg.queue_entries :
									   2 * RF_NET_DEPTH)) ||
	    (err = check_memory(d,
				virtio_net_layout(pci.size[VIRTIO_NET_RX], pci.size[VIRTIO_NET_TX])
					.bytes)) ||
	    (err = net_describe(d)) || (err = virtio_doorbells(d, &pci, 2)))
		return err;
	d->template.param[VIRTIO_NET_PARAM_SIZES] =
		VIRTIO_NET_SIZES(pci.size[VIRTIO_NET_RX], pci.size[VIRTIO_NET_TX]);
	d->template.param[VIRTIO_NET_PARAM_TX_DISTANCE] =
		pci.notify[VIRTIO_NET_TX] - pci.notify[VIRTIO_NET_RX];
	d->template.param[VIRTIO_NET_PARAM_PACKED] = (pci.features & VIRTIO_F_RING_PACKED) != 0;
	return virtio_reset(d, &pci);
}

static int net_enable(struct rf_device *d, unsigned half)
{
	struct virtio_net_layout at =
		virtio_net_layout(pci.size[VIRTIO_NET_RX], pci.size[VIRTIO_NET_TX]);
	uint64_t base = d->queues_iova + queue_memory_at(d, 0, half);
	int vector, err = virtio_begin(d, half, &vector);

	if (err || (err = virtio_start_queue(d, &pci, VIRTIO_NET_RX, base, vector)) ||
	    (err = virtio_start_queue(d, &pci, VIRTIO_NET_TX, base + at.tx, vector)))
		return err;
	return virtio_go(d, &pci);
}

const struct rf_admin_ops rf_admin_virtio_net = {
	.identify = net_identify,
	.enable = net_enable,
	.quiet = virtio_quiet,
	.shutdown = virtio_shutdown,
	.present = virtio_ctl_present,
	.changed = virtio_ctl_changed,
	.link = net_link,
};

/* ---- 5.2 block ----------------------------------------------------------------------------- */

#define BLK_WANTED \
	(VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH | \
	 VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES | VIRTIO_F_RING_PACKED | \
	 VIRTIO_F_ORDER_PLATFORM)

/* Most bytes of one discard or zero, by the device's number of sectors; 0: none at all. */
static uint32_t blk_most(uint64_t sectors, uint32_t block)
{
	uint64_t bytes = sectors * VIRTIO_BLK_SECTOR;

	if (bytes > 1u << 30)
		bytes = 1u << 30;
	return (uint32_t)bytes & ~(block - 1);
}

/* One limit serves both discard and zero: the smaller. */
static void blk_ranges(struct rf_device *d)
{
	uint32_t block = d->info.block_size;
	uint32_t flags = pci.features & VIRTIO_F_RING_PACKED ? VIRTIO_BLK_FLAG_PACKED : 0;
	uint32_t discard =
		blk_most(virtio_config(d, &pci, VIRTIO_BLK_CFG_MAX_DISCARD_SECTORS, 4), block);
	uint32_t zero =
		blk_most(virtio_config(d, &pci, VIRTIO_BLK_CFG_MAX_ZEROES_SECTORS, 4), block);

	d->info.max_discard = 1u << 30;
	if (pci.features & VIRTIO_BLK_F_DISCARD && discard) {
		d->info.features |= RF_BLK_HAS_DISCARD;
		d->info.max_discard = discard;
		flags |= VIRTIO_BLK_FLAG_DISCARD;
	}
	if (pci.features & VIRTIO_BLK_F_WRITE_ZEROES && zero) {
		d->info.features |= RF_BLK_HAS_ZERO;
		d->info.max_discard = zero < d->info.max_discard ? zero : d->info.max_discard;
		flags |= VIRTIO_BLK_FLAG_ZEROES;
		if (virtio_config(d, &pci, VIRTIO_BLK_CFG_ZEROES_MAY_UNMAP, 1))
			flags |= VIRTIO_BLK_FLAG_UNMAP;
	}
	d->template.param[VIRTIO_BLK_PARAM_FLAGS] = flags;
}

static int blk_check(struct rf_device *d, uint64_t sectors, uint64_t block, uint64_t most)
{
	typedef unsigned long long ull;

	if (pci.offered & VIRTIO_BLK_F_ZONED &&
	    virtio_config(d, &pci, VIRTIO_BLK_CFG_ZONED_MODEL, 1) == VIRTIO_BLK_ZONED_MANAGED)
		rf_log("%s: is a zoned disk, host-managed: only plain disks are driven", d->label);
	else if (block != 512 && block != 4096)
		rf_log("%s: has blocks of %llu bytes: only 512 and 4096 are driven", d->label,
		       (ull)block);
	else if (!sectors)
		rf_log("%s: has a capacity of 0: is there a medium in it?", d->label);
	else if (sectors > INT64_MAX / VIRTIO_BLK_SECTOR || sectors * VIRTIO_BLK_SECTOR % block)
		rf_log("%s: has an impossible capacity: %llu sectors, in blocks of %llu bytes",
		       d->label, (ull)sectors, (ull)block);
	else if (most < RF_PAGE)
		rf_log("%s: takes at most %llu bytes a piece, and 4096 are needed", d->label,
		       (ull)most);
	else
		return 0;
	return -EOPNOTSUPP;
}

static int blk_describe(struct rf_device *d)
{
	uint64_t sectors = virtio_config(d, &pci, VIRTIO_BLK_CFG_CAPACITY, 8);
	uint64_t block = pci.features & VIRTIO_BLK_F_BLK_SIZE ?
				 virtio_config(d, &pci, VIRTIO_BLK_CFG_BLK_SIZE, 4) :
				 512;
	uint64_t most = pci.features & VIRTIO_BLK_F_SIZE_MAX ?
				virtio_config(d, &pci, VIRTIO_BLK_CFG_SIZE_MAX, 4) :
				1u << 20;

	int err = blk_check(d, sectors, block, most);

	if (err)
		return err;
	if (most > 1u << 20)
		most = 1u << 20;
	d->info = (struct rf_blk_info){
		.size = sectors * VIRTIO_BLK_SECTOR, .block_size = (uint32_t)block,
		.max_transfer = (uint32_t)most & ~(RF_PAGE - 1),
		.features = pci.features & VIRTIO_BLK_F_FLUSH ? RF_BLK_HAS_FLUSH : 0,
	};
	if (pci.features & VIRTIO_BLK_F_RO || d->cfg.flags & RF_DEVICE_READ_ONLY)
		d->info.features |= RF_BLK_READ_ONLY;
	blk_ranges(d);
	return 0;
}

/* The structure may end before the register that VIRTIO_F_RING_RESET is about. */
static uint64_t blk_wanted(const struct rf_device *d)
{
	uint64_t wanted = BLK_WANTED;

	if (d->queue_count > 1)
		wanted |= VIRTIO_BLK_F_MQ;
	if (d->cfg.queue_reset_ms && !(d->quirks & RF_QUIRK_NO_QUEUE_RESET) &&
	    pci.window[VIRTIO_PCI_COMMON].bytes >= VIRTIO_COMMON_RESET_BYTES)
		wanted |= VIRTIO_F_RING_RESET;
	return wanted;
}

/* 5.2.5: without VIRTIO_BLK_F_MQ a disk has one. */
static uint32_t blk_queues(struct rf_device *d)
{
	return pci.features & VIRTIO_BLK_F_MQ ?
		       (uint32_t)virtio_config(d, &pci, VIRTIO_BLK_CFG_NUM_QUEUES, 2) :
		       1;
}

static int blk_identify(struct rf_device *d)
{
	int err;

	if ((err = virtio_open(d, &pci)) ||
	    (err = virtio_negotiate(d, &pci, blk_wanted(d), VIRTIO_F_INDIRECT_DESC)) ||
	    (err = virtio_queues_learn(d, &pci, blk_queues(d))) ||
	    (err = check_memory(d, virtio_blk_bytes(pci.size[0]))) || (err = blk_describe(d)) ||
	    (err = virtio_blk_name(d, &pci)) || (err = virtio_queues_check(d, &pci)))
		return err;
	d->template.param[VIRTIO_BLK_PARAM_SIZE] = pci.size[0];
	return virtio_reset(d, &pci);
}

static int blk_enable(struct rf_device *d, unsigned half)
{
	(void)half; /* each queue has one of its own */
	return virtio_queues_enable(d, &pci);
}

static int blk_queue_drop(struct rf_device *d, unsigned queue)
{
	return virtio_queues_drop(d, &pci, queue);
}

static int blk_queue_make(struct rf_device *d, unsigned queue, unsigned half)
{
	return virtio_queues_make(d, &pci, queue, half);
}

const struct rf_admin_ops rf_admin_virtio_blk = {
	.identify = blk_identify,
	.enable = blk_enable,
	.queue_drop = blk_queue_drop,
	.queue_make = blk_queue_make,
	.quiet = virtio_quiet,
	.mark = virtio_ctl_mark,
	.shutdown = virtio_shutdown,
	.present = virtio_ctl_present,
	.changed = virtio_ctl_changed,
};
