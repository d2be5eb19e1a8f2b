/* SPDX-License-Identifier: MIT */
/*
 * virtio.h - Virtual I/O Device specification 1.2: PCI transport, split and packed
 * virtqueues, and what of the network and block devices is used here. Numbers are its
 * sections.
 *
 * Room:   drivers/hw, compiled into the drivers (queues) and into the device process
 *         (features, status, device configuration). Also the one place that says how
 *         queue memory is laid out: both sides must agree on it.
 */
#ifndef RF_VIRTIO_H
#define RF_VIRTIO_H

#include <stddef.h>
#include <stdint.h>

/* ---- 4.1.4 capabilities of the PCI transport ---------------------------------------- */

#define VIRTIO_PCI_CAP_VENDOR 0x09u /* capability id; fields at these offsets from it */
#define VIRTIO_PCI_CAP_TYPE   3u
#define VIRTIO_PCI_CAP_BAR    4u
#define VIRTIO_PCI_CAP_OFFSET 8u
#define VIRTIO_PCI_CAP_LENGTH 12u
#define VIRTIO_PCI_CAP_MULTIPLIER 16u /* of the notification structure only */

enum virtio_pci_cfg { VIRTIO_PCI_COMMON = 1, VIRTIO_PCI_NOTIFY, VIRTIO_PCI_ISR, VIRTIO_PCI_DEVICE };

/* 4.1.4.3 common configuration */
#define VIRTIO_DEVICE_FEATURE_SELECT 0u
#define VIRTIO_DEVICE_FEATURE        4u
#define VIRTIO_DRIVER_FEATURE_SELECT 8u
#define VIRTIO_DRIVER_FEATURE        12u
#define VIRTIO_CONFIG_MSIX_VECTOR    16u /* 16 bits */
#define VIRTIO_NUM_QUEUES            18u /* 16 bits */
#define VIRTIO_DEVICE_STATUS         20u /* 8 bits */
#define VIRTIO_CONFIG_GENERATION     21u /* 8 bits */
#define VIRTIO_QUEUE_SELECT          22u /* 16 bits, as the next four */
#define VIRTIO_QUEUE_SIZE            24u
#define VIRTIO_QUEUE_MSIX_VECTOR     26u
#define VIRTIO_QUEUE_ENABLE          28u
#define VIRTIO_QUEUE_NOTIFY_OFF      30u
#define VIRTIO_QUEUE_DESC            32u /* 64 bits, as the next two */
#define VIRTIO_QUEUE_DRIVER          40u
#define VIRTIO_QUEUE_DEVICE          48u
#define VIRTIO_COMMON_BYTES          56u
#define VIRTIO_QUEUE_RESET           58u /* 16 bits; of a device with VIRTIO_F_RING_RESET */
#define VIRTIO_COMMON_RESET_BYTES    60u
#define VIRTIO_MSI_NO_VECTOR         0xffffu

/* 2.1 device status */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER      2u
#define VIRTIO_STATUS_DRIVER_OK   4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u

/* 6 feature bits */
#define VIRTIO_F_INDIRECT_DESC   (1ull << 28)
#define VIRTIO_F_VERSION_1       (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)
#define VIRTIO_F_RING_PACKED     (1ull << 34)
#define VIRTIO_F_ORDER_PLATFORM  (1ull << 36)
#define VIRTIO_F_RING_RESET      (1ull << 40)

/* ---- 2.7 split virtqueues -------------------------------------------------------------- */

struct virtq_desc {
	uint64_t addr;
	union {
		struct {
			uint32_t len;
			uint16_t flags, next;
		};
		uint64_t rest; /* the three as one store */
	};
};
_Static_assert(sizeof(struct virtq_desc) == 16, "2.7.5");

#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u /* the device writes it */
#define VIRTQ_DESC_F_INDIRECT 4u
#define VIRTQ_DESC_REST(len, flags, next) \
	((uint64_t)(len) | (uint64_t)(flags) << 32 | (uint64_t)(next) << 48)

struct virtq_avail {
	uint16_t flags, idx;
	uint16_t ring[];
};
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

struct virtq_used_elem {
	uint32_t id, len;
};
struct virtq_used {
	uint16_t flags, idx;
	struct virtq_used_elem ring[];
};
#define VIRTQ_USED_F_NO_NOTIFY 1u

/* ---- 2.8 packed virtqueues: one ring that both sides write --------------------------------- */

/* An entry is a struct virtq_desc whose second word is laid out otherwise: the buffer's id,
 * then the flags. It is available if AVAIL is the driver's wrap counter and USED is not; used
 * if both are the device's. */
#define VIRTQ_DESC_F_AVAIL 0x80u
#define VIRTQ_DESC_F_USED  0x8000u
#define VIRTQ_PACKED_REST(len, id, flags) \
	((uint64_t)(len) | (uint64_t)(id) << 32 | (uint64_t)(flags) << 48)
#define VIRTQ_PACKED_LEN(rest) ((uint32_t)(rest))
#define VIRTQ_PACKED_ID(rest)  ((uint32_t)((rest) >> 32) & 0xffffu)

/* 2.8.10: does this side want to hear of entries? */
struct virtq_event {
	uint16_t off_wrap, flags;
};
#define VIRTQ_EVENT_ENABLE  0u
#define VIRTQ_EVENT_DISABLE 1u

/* Where the three parts of a queue of `size` entries (a power of two) begin. In a packed one
 * the driver's and the device's struct virtq_event stand where the other two would. */
static inline uint64_t virtq_avail_at(uint32_t size)
{
	return (uint64_t)size * sizeof(struct virtq_desc);
}

static inline uint64_t virtq_used_at(uint32_t size)
{
	return (virtq_avail_at(size) + 6 + 2ull * size + 63) & ~63ull;
}

static inline uint64_t virtq_bytes(uint32_t size)
{
	return (virtq_used_at(size) + 6 + 8ull * size + 63) & ~63ull;
}

/* ---- 5.1 network device ------------------------------------------------------------------ */

#define VIRTIO_NET_F_CSUM       (1ull << 0)
#define VIRTIO_NET_F_GUEST_CSUM (1ull << 1)
#define VIRTIO_NET_F_MTU        (1ull << 3)
#define VIRTIO_NET_F_MAC        (1ull << 5)
#define VIRTIO_NET_F_HOST_TSO4  (1ull << 11)
#define VIRTIO_NET_F_HOST_TSO6  (1ull << 12)
#define VIRTIO_NET_F_STATUS     (1ull << 16)
#define VIRTIO_NET_F_SPEED_DUPLEX (1ull << 63)

/* 5.1.4 device configuration */
#define VIRTIO_NET_CFG_MAC    0u  /* 6 bytes */
#define VIRTIO_NET_CFG_STATUS 6u  /* 16 bits */
#define VIRTIO_NET_CFG_MTU    10u /* 16 bits */
#define VIRTIO_NET_CFG_SPEED  12u /* 32 bits, Mbit/s */
#define VIRTIO_NET_S_LINK_UP  1u

/* 5.1.6 in front of each frame */
struct virtio_net_hdr {
	uint8_t  flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "with VERSION_1");
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_F_DATA_VALID 2u
#define VIRTIO_NET_HDR_GSO_NONE     0u
#define VIRTIO_NET_HDR_GSO_TCPV4    1u
#define VIRTIO_NET_HDR_GSO_TCPV6    4u

enum { VIRTIO_NET_RX, VIRTIO_NET_TX }; /* queue numbers */

/*
 * Queue memory of the network driver. Each receive buffer takes two descriptors, one for
 * the header and one for the frame; each frame to send as well, or one that points to a
 * table. A slot is such a pair.
 *   receive queue, transmit queue, receive headers, transmit headers, transmit tables
 */
#define VIRTIO_NET_HDR_SPACE 16u
#define VIRTIO_NET_TABLE     64u /* entries: a header and as many parts as a frame may have */

struct virtio_net_layout {
	uint64_t tx, rx_headers, tx_headers, tables, bytes;
};

static inline struct virtio_net_layout virtio_net_layout(uint32_t rx_size, uint32_t tx_size)
{
	struct virtio_net_layout l;

	l.tx = virtq_bytes(rx_size);
	l.rx_headers = l.tx + virtq_bytes(tx_size);
	l.tx_headers = l.rx_headers + (uint64_t)rx_size / 2 * VIRTIO_NET_HDR_SPACE;
	/* One more than slots: the header of zeroes that all plain frames share. */
	l.tables = l.tx_headers + ((uint64_t)tx_size / 2 + 1) * VIRTIO_NET_HDR_SPACE;
	l.bytes = l.tables + (uint64_t)tx_size / 2 * VIRTIO_NET_TABLE * sizeof(struct virtq_desc);
	return l;
}

/* rf_boot_queue.param of the network driver; regs is the doorbell of the receive queue. */
enum { VIRTIO_NET_PARAM_SIZES, VIRTIO_NET_PARAM_TX_DISTANCE, VIRTIO_NET_PARAM_PACKED };
#define VIRTIO_NET_SIZES(rx, tx) ((uint64_t)(rx) | (uint64_t)(tx) << 16)

/* ---- 5.2 block device ----------------------------------------------------------------------- */

#define VIRTIO_BLK_F_SIZE_MAX     (1ull << 1)
#define VIRTIO_BLK_F_RO           (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE     (1ull << 6)
#define VIRTIO_BLK_F_FLUSH        (1ull << 9)
#define VIRTIO_BLK_F_MQ           (1ull << 12)
#define VIRTIO_BLK_F_DISCARD      (1ull << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES (1ull << 14)
#define VIRTIO_BLK_F_ZONED        (1ull << 17)

/* 5.2.4 device configuration */
#define VIRTIO_BLK_CFG_CAPACITY            0u  /* 64 bits, units of 512 bytes */
#define VIRTIO_BLK_CFG_SIZE_MAX            8u
#define VIRTIO_BLK_CFG_BLK_SIZE            20u
#define VIRTIO_BLK_CFG_NUM_QUEUES          34u /* 16 bits */
#define VIRTIO_BLK_CFG_MAX_DISCARD_SECTORS 36u
#define VIRTIO_BLK_CFG_MAX_ZEROES_SECTORS  48u
#define VIRTIO_BLK_CFG_ZEROES_MAY_UNMAP    56u /* 8 bits */
#define VIRTIO_BLK_CFG_ZONED_MODEL         92u /* 8 bits: 1 host-managed, 2 host-aware */
#define VIRTIO_BLK_ZONED_MANAGED           1u
#define VIRTIO_BLK_SECTOR                  512u

/* 5.2.6 requests */
#define VIRTIO_BLK_T_IN           0u
#define VIRTIO_BLK_T_OUT          1u
#define VIRTIO_BLK_T_FLUSH        4u
#define VIRTIO_BLK_T_GET_ID       8u
#define VIRTIO_BLK_T_DISCARD      11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u

#define VIRTIO_BLK_ID_BYTES 20u /* shorter ones end in a zero */

#define VIRTIO_BLK_S_OK     0u
#define VIRTIO_BLK_S_IOERR  1u
#define VIRTIO_BLK_S_UNSUPP 2u

#define VIRTIO_BLK_UNMAP 1u /* flag of write zeroes */

struct virtio_blk_range {
	uint64_t sector;
	uint32_t sectors, flags;
};

/* All that the device reads or writes of one request but the payload: a table of
 * header, payload and status, and those but the payload. */
struct virtio_blk_slot {
	struct virtq_desc table[3];
	uint32_t type, reserved; /* header: 16 bytes */
	uint64_t sector;
	struct virtio_blk_range range;
	uint8_t  status;
	uint8_t  fill[47];
};
_Static_assert(sizeof(struct virtio_blk_slot) == 128, "two cache lines");

/* Queue memory of the block driver: the queue, then a slot for each of its entries. */
static inline uint64_t virtio_blk_bytes(uint32_t size)
{
	return virtq_bytes(size) + (uint64_t)size * sizeof(struct virtio_blk_slot);
}

/* rf_boot_queue.param of the block driver. */
enum { VIRTIO_BLK_PARAM_SIZE, VIRTIO_BLK_PARAM_FLAGS };
#define VIRTIO_BLK_FLAG_DISCARD 0x1u
#define VIRTIO_BLK_FLAG_ZEROES  0x2u
#define VIRTIO_BLK_FLAG_UNMAP   0x4u /* zeroes may deallocate */
#define VIRTIO_BLK_FLAG_PACKED  0x8u /* the queue is */

#endif
