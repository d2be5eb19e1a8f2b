/* SPDX-License-Identifier: MIT */
/*
 * vfio_user.h - the vfio-user protocol on the wire: numbers and layouts.
 *
 * Room:   sandbox/proto; compiled into our client (sandbox/device) and our server
 *         (tests/models). Specification: QEMU, docs/interop/vfio-user.rst, protocol 0.2.
 * Writes: both ends; a server out of this project, or any other.
 * Reads:  both.
 * Believed: nothing. Either end may send any byte, any size and any fd at any time.
 * Wire:   SOCK_STREAM on a UNIX socket, host byte order. A message is one header and
 *         `size` - 16 bytes of payload, sent by one sendmsg(2), its fds with it. Each
 *         structure below follows the header; the first of a group is both request and
 *         reply where nothing else is said.
 * Names:  RF_VU_*, rf_vu_*. Bits of flags that the kernel's VFIO has too have its values.
 */
#ifndef RF_VFIO_USER_H
#define RF_VFIO_USER_H

#include <stddef.h>
#include <stdint.h>

#define RF_VU_MAJOR 0u
#define RF_VU_MINOR 2u /* and all below: 0.0 to 0.2 */

/* ---- limits ------------------------------------------------------------------- */

#define RF_VU_DEFAULT_XFER   1048576u /* data a message, of a peer that names none */
#define RF_VU_DEFAULT_FDS    1u       /* fds a message, of a peer that names none */
#define RF_VU_DEFAULT_MAPS   65535u
#define RF_VU_DEFAULT_PGSIZE 4096u    /* a bit mask of sizes */

#define RF_VU_MAX_DATA 32768u /* data a message, ours: larger ones lose step with known servers */
#define RF_VU_MAX_FDS  8u     /* fds a message, ours */
#define RF_VU_MAX_JSON 4096u  /* version data, with its NUL */
/* The largest message either of our ends takes: header, fixed part, data. */
#define RF_VU_MAX_MESSAGE (16u + 32u + RF_VU_MAX_DATA)

/* ---- header ------------------------------------------------------------------- */

struct rf_vu_header {
	uint16_t id;      /* the sender's; echoed in the reply */
	uint16_t command; /* enum rf_vu_command, in the reply too */
	uint32_t size;    /* of the whole message, with this header */
	uint32_t flags;   /* RF_VU_TYPE_*, RF_VU_NO_REPLY, RF_VU_ERROR */
	uint32_t error;   /* errno of a reply with RF_VU_ERROR; may be 0 even then */
};
_Static_assert(sizeof(struct rf_vu_header) == 16, "header");

#define RF_VU_TYPE_MASK    0x0fu
#define RF_VU_TYPE_COMMAND 0x00u
#define RF_VU_TYPE_REPLY   0x01u
#define RF_VU_NO_REPLY     0x10u /* command: posted. Its errors are never heard of */
#define RF_VU_ERROR        0x20u /* reply: failed; the message is the bare header */

enum rf_vu_command {
	RF_VU_VERSION = 1,
	RF_VU_DMA_MAP = 2,
	RF_VU_DMA_UNMAP = 3,
	RF_VU_DEVICE_GET_INFO = 4,
	RF_VU_GET_REGION_INFO = 5,
	RF_VU_GET_REGION_IO_FDS = 6,
	RF_VU_GET_IRQ_INFO = 7,
	RF_VU_SET_IRQS = 8,
	RF_VU_REGION_READ = 9,
	RF_VU_REGION_WRITE = 10,
	RF_VU_DMA_READ = 11,  /* server to client */
	RF_VU_DMA_WRITE = 12, /* server to client */
	RF_VU_DEVICE_RESET = 13, /* no payload either way */
	RF_VU_DIRTY_PAGES = 14,  /* gone from the specification; number not used again */
	RF_VU_REGION_WRITE_MULTI = 15,
	RF_VU_DEVICE_FEATURE = 16,
	RF_VU_MIG_DATA_READ = 17,
	RF_VU_MIG_DATA_WRITE = 18,
	RF_VU_COMMANDS /* first number that is none */
};

/* ---- version ------------------------------------------------------------------ */

/*
 * Followed by JSON with a NUL, or by nothing:
 * { "capabilities": { "max_msg_fds": N, "max_data_xfer_size": N, "max_dma_maps": N,
 *   "pgsizes": MASK, "write_multiple": BOOL,
 *   "twin_socket": { "supported": BOOL, "fd_index": N },
 *   "ringfence": ... } }
 * An answer has only what was proposed.
 * Ours, which other peers ignore: "ringfence": { "doorbell_shadow": true } of a client says
 * that it understands shadow memory (RF_VU_IO_SHADOW), the same of a server that
 * GET_REGION_IO_FDS has some: it is not asked otherwise.
 * A client that wants to ring doorbells by memory alone says "ringfence":
 * { "doorbell_sleep": true }; a server that can answers
 * "ringfence": { "doorbell_sleep": { "region": R, "asleep": OFFSET } }. OFFSET, a multiple
 * of 4, is that of a 32-bit word in region R, on a mappable page, theirs or another. No
 * doorbell is there. GET_REGION_IO_FDS of R then has an entry of type IOEVENTFD that covers
 * the pages of the doorbells.
 *   client: store doorbell; full fence; read the word; if bit 0 is set after a submission,
 *           or bit 1 after any doorbell, write 1 to the eventfd.
 *   server: store 1 to the word (3 if it waits for room in a completion queue); full
 *           fence; look at every doorbell once more; sleep on the eventfd only if none
 *           changed; store 0.
 * With bit 0 alone a client need not wake the server for completions it took.
 */
struct rf_vu_version {
	uint16_t major, minor;
};
_Static_assert(sizeof(struct rf_vu_version) == 4, "version");

/* ---- DMA map -------------------------------------------------------------------- */

/* The reply has no payload. A memfd comes with it: one fd, whose bytes from `offset`
 * on are those at `address`. */
struct rf_vu_dma_map {
	uint32_t argsz; /* of this structure */
	uint32_t flags; /* RF_VU_DMA_* */
	uint64_t offset, address, size;
};
_Static_assert(sizeof(struct rf_vu_dma_map) == 32, "dma map");
#define RF_VU_DMA_READABLE  0x1u
#define RF_VU_DMA_WRITEABLE 0x2u

/* Answered with the same. Address and size are those of one map exactly. */
struct rf_vu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};
_Static_assert(sizeof(struct rf_vu_dma_unmap) == 24, "dma unmap");
#define RF_VU_UNMAP_ALL 0x2u /* flags; address and size 0 */

/* ---- device, regions, interrupts -------------------------------------------------- */

struct rf_vu_device_info {
	uint32_t argsz;
	uint32_t flags; /* RF_VU_DEVICE_* */
	uint32_t num_regions, num_irqs;
};
_Static_assert(sizeof(struct rf_vu_device_info) == 16, "device info");
#define RF_VU_DEVICE_RESETS 0x1u /* takes RF_VU_DEVICE_RESET */
#define RF_VU_DEVICE_PCI    0x2u

/* Region indices of a PCI device. */
enum rf_vu_region {
	RF_VU_BAR0, RF_VU_BAR1, RF_VU_BAR2, RF_VU_BAR3, RF_VU_BAR4, RF_VU_BAR5,
	RF_VU_ROM, RF_VU_CONFIG, RF_VU_VGA,
	RF_VU_PCI_REGIONS
};

/* In the reply followed by a chain of capabilities, if argsz of the request had room
 * for it; else the reply is this structure alone, its argsz says how much to ask for,
 * and no fd comes either. */
struct rf_vu_region_info {
	uint32_t argsz;
	uint32_t flags; /* RF_VU_REGION_* */
	uint32_t index;
	uint32_t cap_offset; /* from the start of this structure; 0: none */
	uint64_t size;
	uint64_t offset; /* in the fd that came along, added to those of sparse areas */
};
_Static_assert(sizeof(struct rf_vu_region_info) == 32, "region info");
#define RF_VU_REGION_READ_OK  0x1u
#define RF_VU_REGION_WRITE_OK 0x2u
#define RF_VU_REGION_MMAP     0x4u /* an fd came along */
#define RF_VU_REGION_CAPS     0x8u

struct rf_vu_cap {
	uint16_t id, version;
	uint32_t next; /* from the start of the region info; 0: last */
};
_Static_assert(sizeof(struct rf_vu_cap) == 8, "capability");
#define RF_VU_CAP_SPARSE_MMAP    1u
#define RF_VU_CAP_TYPE           2u
#define RF_VU_CAP_MSIX_MAPPABLE  3u

/* RF_VU_CAP_SPARSE_MMAP: only these areas can be mapped. */
struct rf_vu_sparse_area {
	uint64_t offset, size;
};
struct rf_vu_cap_sparse {
	struct rf_vu_cap cap;
	uint32_t nr_areas, reserved;
	struct rf_vu_sparse_area area[];
};
_Static_assert(sizeof(struct rf_vu_cap_sparse) == 16, "sparse areas");

/* Request and head of the reply; `count` of struct rf_vu_io_fd follow, fds along. */
struct rf_vu_io_fds {
	uint32_t argsz, flags, index, count;
};
_Static_assert(sizeof(struct rf_vu_io_fds) == 16, "io fds");

struct rf_vu_io_fd {
	uint64_t offset, size;  /* in the region; size 0: any width */
	uint32_t fd_index;      /* among the fds that came along */
	uint32_t type;          /* RF_VU_IO_* */
	uint32_t flags;
	uint32_t padding;
	uint64_t datamatch;
};
_Static_assert(sizeof(struct rf_vu_io_fd) == 40, "io fd");
/* libvfio-user's third type is 8 bytes longer, and with it every entry of its replies. */
struct rf_vu_io_shadow {
	uint64_t offset, size;
	uint32_t fd_index, type, flags, shadow_index;
	uint64_t shadow_offset, datamatch;
};
_Static_assert(sizeof(struct rf_vu_io_shadow) == 48, "shadow io fd");
#define RF_VU_IO_EVENTFD  0u /* a write to the range is a write of 1 to the fd */
#define RF_VU_IO_REGIONFD 1u
#define RF_VU_IO_SHADOW   2u /* store the value in the shadow memory, then write 1 */

struct rf_vu_irq_info {
	uint32_t argsz;
	uint32_t flags; /* RF_VU_IRQ_* */
	uint32_t index; /* RF_VU_INTX and so on */
	uint32_t count;
};
_Static_assert(sizeof(struct rf_vu_irq_info) == 16, "irq info");
enum rf_vu_irq { RF_VU_INTX, RF_VU_MSI, RF_VU_MSIX, RF_VU_ERR, RF_VU_REQ, RF_VU_PCI_IRQS };
#define RF_VU_IRQ_EVENTFD    0x1u
#define RF_VU_IRQ_MASKABLE   0x2u
#define RF_VU_IRQ_AUTOMASKED 0x4u
#define RF_VU_IRQ_NORESIZE   0x8u

/* Followed by `count` bytes with DATA_BOOL; fds along with DATA_EVENTFD, none of them
 * takes the old ones away. No payload in the reply. */
struct rf_vu_set_irqs {
	uint32_t argsz; /* with the data */
	uint32_t flags; /* one RF_VU_SET_DATA_* and one RF_VU_SET_ACTION_* */
	uint32_t index, start, count;
};
_Static_assert(sizeof(struct rf_vu_set_irqs) == 20, "set irqs");
#define RF_VU_SET_DATA_NONE      0x01u /* with count 0: all of this index off */
#define RF_VU_SET_DATA_BOOL      0x02u
#define RF_VU_SET_DATA_EVENTFD   0x04u
#define RF_VU_SET_ACTION_MASK    0x08u
#define RF_VU_SET_ACTION_UNMASK  0x10u
#define RF_VU_SET_ACTION_TRIGGER 0x20u

/* ---- access to regions and memory -------------------------------------------------- */

/* REGION_READ: reply is this and `count` bytes. REGION_WRITE: request is this and the
 * bytes, reply this alone. */
struct rf_vu_region_access {
	uint64_t offset;
	uint32_t region, count;
};
_Static_assert(sizeof(struct rf_vu_region_access) == 16, "region access");

/* DMA_READ and DMA_WRITE, from server to client, the same way. */
struct rf_vu_dma_access {
	uint64_t address, count;
};
_Static_assert(sizeof(struct rf_vu_dma_access) == 16, "dma access");

/* REGION_WRITE_MULTI: a uint64_t count, then that many of these. Reply: the count. */
struct rf_vu_write_one {
	uint64_t offset;
	uint32_t region, count; /* 8 bytes at most */
	uint8_t  data[8];
};
_Static_assert(sizeof(struct rf_vu_write_one) == 24, "one write of many");

/* ---- features and migration --------------------------------------------------------- */

/* Probe and set are answered with the request; get with data behind this. */
struct rf_vu_feature {
	uint32_t argsz;
	uint32_t flags; /* index of the feature, and RF_VU_FEATURE_* */
};
_Static_assert(sizeof(struct rf_vu_feature) == 8, "feature");
#define RF_VU_FEATURE_INDEX 0xffffu
#define RF_VU_FEATURE_GET   0x10000u
#define RF_VU_FEATURE_SET   0x20000u
#define RF_VU_FEATURE_PROBE 0x40000u

enum rf_vu_feature_index {
	RF_VU_FEATURE_MIGRATION = 1,
	RF_VU_FEATURE_MIG_STATE = 2,
	RF_VU_FEATURE_DMA_LOG_START = 6,
	RF_VU_FEATURE_DMA_LOG_STOP = 7,
	RF_VU_FEATURE_DMA_LOG_REPORT = 8,
};

struct rf_vu_mig_data { /* then `size` bytes of data */
	uint32_t argsz, size;
};
_Static_assert(sizeof(struct rf_vu_mig_data) == 8, "migration data");

#endif
