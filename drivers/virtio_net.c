/* SPDX-License-Identifier: MIT */
/*
 * virtio_net.c - the receive and the transmit queue of a virtio network device.
 *
 * Room:   drivers, untrusted.
 * Device: Virtual I/O Device 1.2, 5.1; modern PCI transport, split or packed queues. What
 *         differs between them is compiled twice, so that neither asks for each frame.
 * Given:  the notification page, and queues that exist already. Features, status and
 *         configuration are the device process's: nothing here can reach them.
 * Layout: queue memory as virtio_net_layout() of hw/virtio.h says. Of a split queue
 *         descriptors 2s and 2s + 1 belong to slot s: header and frame. The header's is
 *         written once. In a packed one s is the buffer id of two entries in a row, or of
 *         one that leads to a table.
 * Order:  a device may return buffers in any order. Receive slots are reused in the order
 *         they come back; frames sent are reported in the order they were handed over.
 */
#include "rt_net.h"
#include "virtq.h"

/* Off the path of plain frames: not inlined into it. */
#define VIRTIO_SLOW __attribute__((noinline))
#define HEADER      ((uint32_t)sizeof(struct virtio_net_hdr))
#define MAX_SLOTS   RF_NET_DEPTH
#define NOT_THERE   UINT32_MAX

/* Receive slots of a packed queue: a split one's device keeps all of it in its rings. */
struct packed_slots {
	uint16_t ring[MAX_SLOTS]; /* in the order they are given to the device */
	uint32_t at[MAX_SLOTS];   /* the frame's buffer while the device has it, else NOT_THERE */
};

struct virtio_net {
	bool         packed;
	struct virtq rx, tx;
	uint64_t     arena_iova;
	uint32_t     buffer;            /* bytes of a receive buffer */
	const char  *rx_headers;        /* VIRTIO_NET_HDR_SPACE bytes a slot */
	uint64_t     rx_headers_iova;
	uint32_t     tx_head, tx_tail;  /* frames reported and handed over, free-running */
	uint32_t     tx_slots;          /* a power of two */
	char        *tx_headers;
	uint64_t     tx_headers_iova;
	struct virtq_desc *tables;      /* VIRTIO_NET_TABLE entries a slot */
	uint64_t     tables_iova;
	uint8_t      records[MAX_SLOTS]; /* of the frame in each slot */
	bool         under_way[MAX_SLOTS];
	bool         indirect[MAX_SLOTS]; /* one entry of a packed queue, not two */
	struct packed_slots slots;
};

/* A function that is compiled for each kind of queue; `packed` is a constant in it. */
#define BOTH_KINDS static inline __attribute__((always_inline))

/* ---- starting ---------------------------------------------------------------------------- */

/* Receive: the header's descriptor leads to the frame's, and the first pass over the ring
 * takes the slots in order. */
static void rx_prepare(struct virtio_net *v)
{
	uint32_t slots = v->rx.size / 2;

	for (uint32_t s = 0; s < slots && v->packed; s++) {
		v->slots.ring[s] = (uint16_t)s;
		v->slots.at[s] = NOT_THERE;
	}
	for (uint32_t s = 0; s < slots && !v->packed; s++) {
		v->rx.desc[2 * s].addr = v->rx_headers_iova + s * VIRTIO_NET_HDR_SPACE;
		v->rx.desc[2 * s].rest =
			VIRTQ_DESC_REST(HEADER, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 2 * s + 1);
		v->rx.desc[2 * s + 1].rest = VIRTQ_DESC_REST(v->buffer, VIRTQ_DESC_F_WRITE, 0);
		v->rx.avail->ring[s] = (uint16_t)(2 * s);
	}
}

/* Plain frames to send share one header of zeroes, the one behind the last slot's. */
static inline uint64_t no_header(const struct virtio_net *v)
{
	return v->tx_headers_iova + (uint64_t)v->tx_slots * VIRTIO_NET_HDR_SPACE;
}

static void tx_prepare(struct virtio_net *v)
{
	for (uint32_t s = 0; s < v->tx_slots && !v->packed; s++) {
		v->tx.desc[2 * s].addr = no_header(v);
		v->tx.desc[2 * s].rest = VIRTQ_DESC_REST(HEADER, VIRTQ_DESC_F_NEXT, 2 * s + 1);
	}
}

static void virtio_net_disarm(void *dev)
{
	struct virtio_net *v = dev;

	virtq_interrupt(&v->rx, v->packed, false);
	virtq_interrupt(&v->tx, v->packed, false);
}

static unsigned virtio_net_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint32_t rx = b->param[VIRTIO_NET_PARAM_SIZES] & 0xffff;
	uint32_t tx = b->param[VIRTIO_NET_PARAM_SIZES] >> 16 & 0xffff;
	struct virtio_net_layout at = virtio_net_layout(rx, tx);
	struct virtio_net *v = dev;

	if (!virtq_size_valid(rx) || !virtq_size_valid(tx) || rx / 2 > MAX_SLOTS ||
	    tx / 2 > MAX_SLOTS || at.bytes > b->mem_bytes || !boot->net.rx_buffer)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	v->packed = b->param[VIRTIO_NET_PARAM_PACKED];
	virtq_attach(&v->rx, boot, v->packed, b->mem, rx, VIRTIO_NET_RX, b->regs);
	virtq_attach(&v->tx, boot, v->packed, b->mem + at.tx, tx, VIRTIO_NET_TX,
		     b->regs + b->param[VIRTIO_NET_PARAM_TX_DISTANCE]);
	v->arena_iova = boot->arena_iova;
	v->buffer = boot->net.rx_buffer;
	v->rx_headers = (const char *)(uintptr_t)(b->mem + at.rx_headers);
	v->rx_headers_iova = b->mem_iova + at.rx_headers;
	v->tx_slots = tx / 2;
	v->tx_headers = (char *)(uintptr_t)(b->mem + at.tx_headers);
	v->tx_headers_iova = b->mem_iova + at.tx_headers;
	v->tables = (struct virtq_desc *)(uintptr_t)(b->mem + at.tables);
	v->tables_iova = b->mem_iova + at.tables;
	rx_prepare(v);
	tx_prepare(v);
	virtio_net_disarm(v);
	return rx / 2;
}

/* ---- receiving (5.1.6.3, 5.1.6.4) ---------------------------------------------------------- */

static void refill_packed(struct virtio_net *v, const uint32_t *free, uint32_t at, unsigned n)
{
	uint32_t slots = v->rx.size / 2, next = v->rx.avail_idx / 2;
	uint16_t idx = v->rx.avail_idx;

	for (uint32_t end = at + n; at != end; at++, next++, idx = (uint16_t)(idx + 2)) {
		uint32_t slot = v->slots.ring[next & (slots - 1)];
		uint64_t frame = *RF_NET_SLOT(free, at);

		v->slots.at[slot] = (uint32_t)frame;
		virtq_packed_put(&v->rx, (uint16_t)(idx + 1), v->arena_iova + frame * RF_NET_UNIT,
				 v->buffer, slot, VIRTQ_DESC_F_WRITE);
		virtq_packed_put(&v->rx, idx, v->rx_headers_iova + slot * VIRTIO_NET_HDR_SPACE,
				 HEADER, slot, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT);
	}
	v->rx.avail_idx = idx;
}

/* The slots stand in the ring already: put there as they came back. */
static void refill_split(struct virtio_net *v, const uint32_t *free, uint32_t at, unsigned n)
{
	struct virtq_desc *desc = v->rx.desc;
	const uint16_t *ring = v->rx.avail->ring;
	uint32_t idx = v->rx.avail_idx, mask = v->rx.size - 1;
	uint64_t iova = v->arena_iova;

	for (uint32_t end = at + n; at != end; at++, idx++)
		desc[ring[idx & mask] + 1].addr =
			iova + (uint64_t)*RF_NET_SLOT(free, at) * RF_NET_UNIT;
	v->rx.avail_idx = (uint16_t)idx;
}

static void virtio_net_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct virtio_net *v = dev;

	if (v->packed)
		refill_packed(v, free, at, n);
	else
		refill_split(v, free, at, n);
}

/* What the header says besides "nothing". */
static VIRTIO_SLOW void receive_header(const struct virtio_net_hdr *h, struct rf_net_frame *f)
{
	if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		f->length = 0; /* never asked for */
	} else if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		f->flags = RF_NET_CSUM;
		f->csum_start = (uint8_t)h->csum_start;
		f->csum_offset = (uint8_t)h->csum_offset;
		if (h->csum_start > UINT8_MAX || h->csum_offset > UINT8_MAX)
			f->length = 0;
	} else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		f->flags = RF_NET_CSUM_OK;
	}
}

static inline void virtio_record_write(struct rf_net_frame *record, uint64_t low, uint64_t high)
{
	memcpy(record, &low, 8);
	memcpy((char *)record + 8, &high, 8);
}

/* Slot `slot` came back with `length` bytes, header included, in the buffer at `place`. */
static inline void virtio_net_received(const struct virtio_net *v, struct rf_net_frame *f,
				       uint32_t slot, uint32_t place, uint32_t length)
{
	const char *header = v->rx_headers + slot * VIRTIO_NET_HDR_SPACE;
	uint16_t what;

	length -= HEADER;
	if (RF_UNLIKELY(length > v->buffer))
		length = 0;
	virtio_record_write(f, place | (uint64_t)length << 32, 0);
	memcpy(&what, header, 2);
	if (RF_UNLIKELY(what))
		receive_header((const struct virtio_net_hdr *)(const void *)header, f);
}

static unsigned receive_packed(struct virtio_net *v, struct rf_net_frame *rx, uint32_t at)
{
	uint32_t slots = v->rx.size / 2, back = v->rx.used_idx / 2;
	uint16_t idx = v->rx.used_idx;
	unsigned n = 0;
	uint64_t rest;

	for (; n < RF_NET_BATCH && virtq_packed_look(&v->rx, idx, &rest);
	     n++, back++, idx = (uint16_t)(idx + 2)) {
		uint32_t slot = VIRTQ_PACKED_ID(rest);

		/* A buffer it does not have: no telling what else is not true. */
		if (RF_UNLIKELY(slot >= slots || v->slots.at[slot] == NOT_THERE))
			rf_exit(RF_DRIVER_EXIT_ANSWER);
		virtio_net_received(v, RF_NET_SLOT(rx, at + n), slot, v->slots.at[slot],
				    VIRTQ_PACKED_LEN(rest));
		v->slots.at[slot] = NOT_THERE;
		/* As many are with the device at most as the ring has places. */
		v->slots.ring[back & (slots - 1)] = (uint16_t)slot;
	}
	v->rx.used_idx = idx;
	return n;
}

static unsigned receive_split(struct virtio_net *v, struct rf_net_frame *rx, uint32_t at)
{
	unsigned n = virtq_ready(&v->rx);

	if (!n)
		return 0;
	if (n > RF_NET_BATCH)
		n = RF_NET_BATCH;
	const struct virtq_used_elem *used = v->rx.used->ring;
	const struct virtq_desc *desc = v->rx.desc;
	uint16_t *ring = v->rx.avail->ring;
	uint32_t idx = v->rx.used_idx, mask = v->rx.size - 1, slots = v->rx.size / 2;
	for (unsigned i = 0; i < n; i++, idx++) {
		uint32_t id = used[idx & mask].id & mask & ~1u;

		virtio_net_received(v, RF_NET_SLOT(rx, at + i), id / 2,
				    (uint32_t)((desc[id + 1].addr - v->arena_iova) / RF_NET_UNIT),
				    used[idx & mask].len);
		/* At most `slots` are with the device, so this place is not shown to it yet. */
		ring[(idx + slots) & mask] = (uint16_t)id;
	}
	v->rx.used_idx = (uint16_t)idx;
	return n;
}

static unsigned virtio_net_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct virtio_net *v = dev;

	return v->packed ? receive_packed(v, rx, at) : receive_split(v, rx, at);
}

/* ---- sending (5.1.6.2) ----------------------------------------------------- */

static void header_of(struct virtio_net_hdr *h, const struct rf_net_frame *f)
{
	*h = (struct virtio_net_hdr){ 0 };
	if (!(f->flags & RF_NET_CSUM))
		return;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = f->csum_start;
	h->csum_offset = f->csum_offset;
	if (!f->gso)
		return;
	h->gso_type =
		f->gso == RF_NET_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = f->gso_size;
	h->hdr_len = (uint16_t)(f->csum_start + f->l4_bytes);
}

/* The slot's table, `bytes` long, to the device. */
static void put_table(struct virtio_net *v, uint32_t slot, uint64_t bytes)
{
	uint64_t iova =
		v->tables_iova + (uint64_t)slot * VIRTIO_NET_TABLE * sizeof(struct virtq_desc);

	v->indirect[slot] = true;
	if (v->packed) {
		virtq_packed_put(&v->tx, v->tx.avail_idx++, iova, bytes, slot,
				 VIRTQ_DESC_F_INDIRECT);
		return;
	}
	v->tx.desc[2 * slot + 1].addr = iova;
	v->tx.desc[2 * slot + 1].rest = VIRTQ_DESC_REST(bytes, VIRTQ_DESC_F_INDIRECT, 0);
	v->tx.avail->ring[v->tx.avail_idx++ & (v->tx.size - 1)] = (uint16_t)(2 * slot + 1);
}

/* A frame with offloads or in parts: its slot's table. Records taken; 0: not all there. */
static VIRTIO_SLOW unsigned send_slow(struct virtio_net *v, const struct rf_net_frame *tx,
				      uint32_t at, unsigned n)
{
	uint32_t slot = v->tx_tail & (v->tx_slots - 1);
	struct virtq_desc *table = v->tables + (size_t)slot * VIRTIO_NET_TABLE;
	unsigned parts = 0;
	bool more = true;

	for (; more && parts < n && parts < VIRTIO_NET_TABLE - 1; parts++) {
		const struct rf_net_frame *f = RF_NET_SLOT(tx, at + parts);

		more = f->flags & RF_NET_MORE;
		table[parts + 1].addr = v->arena_iova + (uint64_t)f->at * RF_NET_UNIT;
		table[parts + 1].rest =
			virtq_table_rest(v->packed, f->length, more ? VIRTQ_DESC_F_NEXT : 0,
					 more ? parts + 2 : 0);
	}
	if (more)
		return 0;
	header_of((struct virtio_net_hdr *)(void *)(v->tx_headers + slot * VIRTIO_NET_HDR_SPACE),
		  RF_NET_SLOT(tx, at));
	table[0].addr = v->tx_headers_iova + slot * VIRTIO_NET_HDR_SPACE;
	table[0].rest = virtq_table_rest(v->packed, HEADER, VIRTQ_DESC_F_NEXT, 1);
	put_table(v, slot, (parts + 1) * sizeof(*table));
	v->records[slot] = (uint8_t)parts;
	v->under_way[slot] = true;
	v->tx_tail++;
	return parts;
}

/* Plain frames from `at` on, until one is not plain. */
BOTH_KINDS uint32_t send_plain(struct virtio_net *v, bool packed, const struct rf_net_frame *tx,
			       uint32_t at, uint32_t end)
{
	struct virtq_desc *desc = v->tx.desc;
	uint16_t *ring = packed ? NULL : v->tx.avail->ring;
	uint32_t tail = v->tx_tail, idx = v->tx.avail_idx, mask = v->tx.size - 1,
		 slots = v->tx_slots;
	uint64_t iova = v->arena_iova;

	for (; at != end; at++, tail++, idx++) {
		uint32_t slot = tail & (slots - 1);
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		uint64_t frame = iova + (low & 0xffffffff) * RF_NET_UNIT;
		if (packed) {
			virtq_packed_put(&v->tx, (uint16_t)(idx + 1), frame, low >> 32, slot, 0);
			virtq_packed_put(&v->tx, (uint16_t)idx++, no_header(v), HEADER, slot,
					 VIRTQ_DESC_F_NEXT);
			v->indirect[slot] = false;
		} else {
			desc[2 * slot + 1].addr = frame;
			desc[2 * slot + 1].rest = low >> 32;
			ring[idx & mask] = (uint16_t)(2 * slot);
		}
		v->records[slot] = 1;
		v->under_way[slot] = true;
	}
	v->tx_tail = tail;
	v->tx.avail_idx = (uint16_t)idx;
	return at;
}

BOTH_KINDS unsigned send_kind(struct virtio_net *v, bool packed, const struct rf_net_frame *tx,
			      uint32_t at, unsigned n)
{
	uint32_t first = at, end = at + n;

	for (;;) {
		uint32_t room = v->tx_slots - (v->tx_tail - v->tx_head);
		at = send_plain(v, packed, tx, at, end - at > room ? at + room : end);
		if (at == end || v->tx_tail - v->tx_head == v->tx_slots)
			break;
		unsigned taken = send_slow(v, tx, at, end - at);
		if (!taken)
			break;
		at += taken;
	}
	return at - first;
}

static unsigned virtio_net_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct virtio_net *v = dev;

	return v->packed ? send_kind(v, true, tx, at, n) : send_kind(v, false, tx, at, n);
}

static void done_packed(struct virtio_net *v)
{
	uint64_t rest;

	while (virtq_packed_look(&v->tx, v->tx.used_idx, &rest)) {
		uint32_t slot = VIRTQ_PACKED_ID(rest);

		if (RF_UNLIKELY(slot >= v->tx_slots || !v->under_way[slot]))
			rf_exit(RF_DRIVER_EXIT_ANSWER);
		v->under_way[slot] = false;
		v->tx.used_idx = (uint16_t)(v->tx.used_idx + (v->indirect[slot] ? 1 : 2));
	}
}

static void done_split(struct virtio_net *v)
{
	unsigned n = virtq_ready(&v->tx);
	uint32_t idx = v->tx.used_idx, mask = v->tx.size - 1;

	for (unsigned i = 0; i < n; i++, idx++)
		v->under_way[(v->tx.used->ring[idx & mask].id & mask) / 2] = false;
	v->tx.used_idx = (uint16_t)idx;
}

static unsigned virtio_net_reap(void *dev, unsigned under_way)
{
	struct virtio_net *v = dev;
	uint32_t slots = v->tx_slots;
	unsigned records = 0;

	(void)under_way;
	if (v->packed)
		done_packed(v);
	else
		done_split(v);
	uint32_t head = v->tx_head;
	for (; head != v->tx_tail && !v->under_way[head & (slots - 1)]; head++)
		records += v->records[head & (slots - 1)];
	v->tx_head = head;
	return records;
}

/* ---- both ------------------------------------------------------------------ */

static void virtio_net_commit(void *dev)
{
	struct virtio_net *v = dev;

	virtq_show(&v->rx, v->packed);
	virtq_show(&v->tx, v->packed);
}

static bool virtio_net_pending(void *dev, bool tx)
{
	const struct virtio_net *v = dev;

	return virtq_pending(&v->rx, v->packed) || (tx && virtq_pending(&v->tx, v->packed));
}

static void virtio_net_arm(void *dev, bool tx)
{
	struct virtio_net *v = dev;

	virtq_interrupt(&v->tx, v->packed, tx);
	virtq_interrupt(&v->rx, v->packed, true);
}

static const struct rf_net_driver virtio_net_driver = {
	.start = virtio_net_start,
	.refill = virtio_net_refill,
	.receive = virtio_net_receive,
	.send = virtio_net_send,
	.reap = virtio_net_reap,
	.commit = virtio_net_commit,
	.pending = virtio_net_pending,
	.arm = virtio_net_arm,
	.disarm = virtio_net_disarm,
};

RF_NET_DRIVER(virtio_net_driver, struct virtio_net)
