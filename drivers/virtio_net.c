/* SPDX-License-Identifier: MIT */
/*
 * virtio_net.c - the receive and the transmit queue of a virtio network device.
 *
 * Room:   drivers, untrusted.
 * Device: Virtual I/O Device 1.2, 5.1; modern PCI transport, split queues.
 * Given:  the notification page, and queues that exist already. Features, status and
 *         configuration are the device process's: nothing here can reach them.
 * Layout: queue memory as virtio_net_layout() of hw/virtio.h says. Descriptors 2s and
 *         2s + 1 belong to slot s: header and frame. The header's is written once.
 * Order:  a device may return buffers in any order. Receive slots are reused in the order
 *         they come back; frames sent are reported in the order they were handed over.
 */
#include "net.h"
#include "virtq.h"

/* Off the path of plain frames: not inlined into it. */
#define VIRTIO_SLOW __attribute__((noinline))
#define HEADER      ((uint32_t)sizeof(struct virtio_net_hdr))
#define MAX_SLOTS   RF_NET_DEPTH

struct virtio_net {
	struct virtq rx, tx;
	uint64_t     arena_iova;
	uint32_t     buffer;            /* bytes of a receive buffer */
	const char  *rx_headers;        /* VIRTIO_NET_HDR_SPACE bytes a slot */
	uint32_t     tx_head, tx_tail;  /* frames reported and handed over, free-running */
	uint32_t     tx_slots;          /* a power of two */
	char        *tx_headers;
	uint64_t     tx_headers_iova;
	struct virtq_desc *tables;      /* VIRTIO_NET_TABLE entries a slot */
	uint64_t     tables_iova;
	uint8_t      records[MAX_SLOTS]; /* of the frame in each slot */
	bool         under_way[MAX_SLOTS];
};

/* ---- starting ---------------------------------------------------------------------------- */

/* Receive: the header's descriptor leads to the frame's, and the first pass over the ring
 * takes the slots in order. */
static void rx_prepare(struct virtio_net *v, uint64_t headers_iova)
{
	uint32_t slots = v->rx.size / 2;

	for (uint32_t s = 0; s < slots; s++) {
		v->rx.desc[2 * s].addr = headers_iova + s * VIRTIO_NET_HDR_SPACE;
		v->rx.desc[2 * s].rest = VIRTQ_DESC_REST(HEADER, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 2 * s + 1);
		v->rx.desc[2 * s + 1].rest = VIRTQ_DESC_REST(v->buffer, VIRTQ_DESC_F_WRITE, 0);
		v->rx.avail->ring[s] = (uint16_t)(2 * s);
	}
}

/* Transmit: plain frames share one header of zeroes, the one behind the last slot's. */
static void tx_prepare(struct virtio_net *v)
{
	for (uint32_t s = 0; s < v->tx_slots; s++) {
		v->tx.desc[2 * s].addr = v->tx_headers_iova + (uint64_t)v->tx_slots * VIRTIO_NET_HDR_SPACE;
		v->tx.desc[2 * s].rest = VIRTQ_DESC_REST(HEADER, VIRTQ_DESC_F_NEXT, 2 * s + 1);
	}
}

static unsigned virtio_net_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint32_t rx = b->param[VIRTIO_NET_PARAM_SIZES] & 0xffff;
	uint32_t tx = b->param[VIRTIO_NET_PARAM_SIZES] >> 16 & 0xffff;
	struct virtio_net_layout at = virtio_net_layout(rx, tx);
	struct virtio_net *v = dev;

	if (!virtq_size_valid(rx) || !virtq_size_valid(tx) || rx / 2 > MAX_SLOTS || tx / 2 > MAX_SLOTS ||
	    at.bytes > b->mem_bytes || !boot->net.rx_buffer)
		rf_exit(RF_EXIT_BOOT);
	virtq_attach(&v->rx, b->mem, rx, VIRTIO_NET_RX, b->regs);
	virtq_attach(&v->tx, b->mem + at.tx, tx, VIRTIO_NET_TX,
		     b->regs + b->param[VIRTIO_NET_PARAM_TX_DISTANCE]);
	v->arena_iova = boot->arena_iova;
	v->buffer = boot->net.rx_buffer;
	v->rx_headers = (const char *)(uintptr_t)(b->mem + at.rx_headers);
	v->tx_slots = tx / 2;
	v->tx_headers = (char *)(uintptr_t)(b->mem + at.tx_headers);
	v->tx_headers_iova = b->mem_iova + at.tx_headers;
	v->tables = (struct virtq_desc *)(uintptr_t)(b->mem + at.tables);
	v->tables_iova = b->mem_iova + at.tables;
	rx_prepare(v, b->mem_iova + at.rx_headers);
	tx_prepare(v);
	virtq_interrupt(&v->rx, false);
	virtq_interrupt(&v->tx, false);
	return rx / 2;
}

/* ---- receiving (5.1.6.3, 5.1.6.4) ---------------------------------------------------------- */

/* The slots stand in the ring already: put there as they came back. */
static void virtio_net_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct virtio_net *v = dev;
	struct virtq_desc *desc = v->rx.desc;
	const uint16_t *ring = v->rx.avail->ring;
	uint32_t idx = v->rx.avail_idx, mask = v->rx.size - 1;
	uint64_t iova = v->arena_iova;

	for (uint32_t end = at + n; at != end; at++, idx++)
		desc[ring[idx & mask] + 1].addr = iova + (uint64_t)*RF_NET_SLOT(free, at) * RF_NET_UNIT;
	v->rx.avail_idx = (uint16_t)idx;
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

static inline void record_write(struct rf_net_frame *record, uint64_t low, uint64_t high)
{
	memcpy(record, &low, 8);
	memcpy((char *)record + 8, &high, 8);
}

static unsigned virtio_net_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct virtio_net *v = dev;
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
		uint32_t id = used[idx & mask].id & mask & ~1u, length = used[idx & mask].len - HEADER;
		const char *header = v->rx_headers + id / 2 * VIRTIO_NET_HDR_SPACE;
		struct rf_net_frame *f = RF_NET_SLOT(rx, at + i);
		uint16_t what;

		if (RF_UNLIKELY(length > v->buffer))
			length = 0;
		record_write(f, (uint32_t)((desc[id + 1].addr - v->arena_iova) / RF_NET_UNIT) |
			     (uint64_t)length << 32, 0);
		memcpy(&what, header, 2);
		if (RF_UNLIKELY(what))
			receive_header((const struct virtio_net_hdr *)(const void *)header, f);
		/* At most `slots` are with the device, so this place is not shown to it yet. */
		ring[(idx + slots) & mask] = (uint16_t)id;
	}
	v->rx.used_idx = (uint16_t)idx;
	return n;
}

/* ---- sending (5.1.6.2) ------------------------------------------------------------------------ */

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
	h->gso_type = f->gso == RF_NET_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = f->gso_size;
	h->hdr_len = (uint16_t)(f->csum_start + f->l4_bytes);
}

/* A frame with offloads or in parts: its slot's table. Records taken; 0: not all there. */
static VIRTIO_SLOW unsigned send_slow(struct virtio_net *v, const struct rf_net_frame *tx, uint32_t at,
				      unsigned n)
{
	uint32_t slot = v->tx_tail & (v->tx_slots - 1);
	struct virtq_desc *table = v->tables + (size_t)slot * VIRTIO_NET_TABLE;
	unsigned parts = 0;
	bool more = true;

	for (; more && parts < n && parts < VIRTIO_NET_TABLE - 1; parts++) {
		const struct rf_net_frame *f = RF_NET_SLOT(tx, at + parts);

		more = f->flags & RF_NET_MORE;
		table[parts + 1].addr = v->arena_iova + (uint64_t)f->at * RF_NET_UNIT;
		table[parts + 1].rest = VIRTQ_DESC_REST(f->length, more ? VIRTQ_DESC_F_NEXT : 0, more ? parts + 2 : 0);
	}
	if (more)
		return 0;
	header_of((struct virtio_net_hdr *)(void *)(v->tx_headers + slot * VIRTIO_NET_HDR_SPACE),
		  RF_NET_SLOT(tx, at));
	table[0].addr = v->tx_headers_iova + slot * VIRTIO_NET_HDR_SPACE;
	table[0].rest = VIRTQ_DESC_REST(HEADER, VIRTQ_DESC_F_NEXT, 1);
	struct virtq_desc *desc = &v->tx.desc[2 * slot + 1];
	desc->addr = v->tables_iova + (uint64_t)slot * VIRTIO_NET_TABLE * sizeof(*table);
	desc->rest = VIRTQ_DESC_REST((parts + 1) * sizeof(*table), VIRTQ_DESC_F_INDIRECT, 0);
	v->tx.avail->ring[v->tx.avail_idx++ & (v->tx.size - 1)] = (uint16_t)(2 * slot + 1);
	v->records[slot] = (uint8_t)parts;
	v->under_way[slot] = true;
	v->tx_tail++;
	return parts;
}

/* Plain frames from `at` on, until one is not plain. */
static inline uint32_t send_plain(struct virtio_net *v, const struct rf_net_frame *tx, uint32_t at, uint32_t end)
{
	struct virtq_desc *desc = v->tx.desc;
	uint16_t *ring = v->tx.avail->ring;
	uint32_t tail = v->tx_tail, idx = v->tx.avail_idx, mask = v->tx.size - 1, slots = v->tx_slots;
	uint64_t iova = v->arena_iova;

	for (; at != end; at++, tail++, idx++) {
		uint32_t slot = tail & (slots - 1);
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		desc[2 * slot + 1].addr = iova + (low & 0xffffffff) * RF_NET_UNIT;
		desc[2 * slot + 1].rest = low >> 32;
		ring[idx & mask] = (uint16_t)(2 * slot);
		v->records[slot] = 1;
		v->under_way[slot] = true;
	}
	v->tx_tail = tail;
	v->tx.avail_idx = (uint16_t)idx;
	return at;
}

static unsigned virtio_net_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct virtio_net *v = dev;
	uint32_t first = at, end = at + n;

	for (;;) {
		uint32_t room = v->tx_slots - (v->tx_tail - v->tx_head);
		at = send_plain(v, tx, at, end - at > room ? at + room : end);
		if (at == end || v->tx_tail - v->tx_head == v->tx_slots)
			break;
		unsigned taken = send_slow(v, tx, at, end - at);
		if (!taken)
			break;
		at += taken;
	}
	return at - first;
}

static unsigned virtio_net_reap(void *dev)
{
	struct virtio_net *v = dev;
	unsigned n = virtq_ready(&v->tx), records = 0;
	uint32_t idx = v->tx.used_idx, mask = v->tx.size - 1, slots = v->tx_slots;

	for (unsigned i = 0; i < n; i++, idx++)
		v->under_way[(v->tx.used->ring[idx & mask].id & mask) / 2] = false;
	v->tx.used_idx = (uint16_t)idx;
	uint32_t head = v->tx_head;
	for (; head != v->tx_tail && !v->under_way[head & (slots - 1)]; head++)
		records += v->records[head & (slots - 1)];
	v->tx_head = head;
	return records;
}

/* ---- both ----------------------------------------------------------------------------------------- */

static void virtio_net_commit(void *dev)
{
	struct virtio_net *v = dev;

	virtq_show(&v->rx);
	virtq_show(&v->tx);
}

static bool virtio_net_pending(void *dev, bool tx)
{
	const struct virtio_net *v = dev;

	return virtq_ready(&v->rx) || (tx && virtq_ready(&v->tx));
}

static void virtio_net_arm(void *dev, bool tx)
{
	struct virtio_net *v = dev;

	virtq_interrupt(&v->tx, tx);
	virtq_interrupt(&v->rx, true);
}

static void virtio_net_disarm(void *dev)
{
	struct virtio_net *v = dev;

	virtq_interrupt(&v->rx, false);
	virtq_interrupt(&v->tx, false);
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
