/* SPDX-License-Identifier: MIT */
/*
 * igb.c - receive and transmit queue 0 of an Intel 82576.
 *
 * Room:   drivers, untrusted.
 * Device: Intel 82576 (datasheet revision 2.63: 7.1 receive, 7.2 transmit), advanced
 *         descriptors.
 * Given:  the pages with the rings' registers; rings that are set up, enabled and empty.
 *         All other registers are the device process's: nothing here can reach them.
 * Layout: the receive ring, then the transmit ring.
 * Where:  a write-back overwrites the buffer's address. The free ring still has it: the
 *         service writes no record over one whose buffer is not back yet.
 */
#include "igb.h"
#include "intel_ring.h"

#define RX_MASK  (IGB_RXD_DD | IGB_RXD_EOP | IGB_RXD_VP | IGB_RXD_L4E | IGB_RXD_IPE | IGB_RXD_RXE)
#define RX_PLAIN (IGB_RXD_DD | IGB_RXD_EOP)
#define TX_PLAIN (IGB_TXD_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS | IGB_TXD_EOP)

struct igb {
	struct intel_rx rx;
	struct intel_tx tx;
	const uint32_t *free; /* the free ring: record i went into descriptor i */
	uint64_t arena_iova;
	struct rf_doorbell bell;
};

static unsigned igb_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint64_t entries = b->param[IGB_PARAM_ENTRIES];
	struct igb *g = dev;

	if (!intel_entries_valid(entries, IGB_MIN_ENTRIES, IGB_MAX_ENTRIES) ||
	    igb_queue_bytes((uint32_t)entries) > b->mem_bytes)
		rf_exit(RF_EXIT_BOOT);
	g->rx.ring = (struct intel_desc *)(uintptr_t)b->mem;
	g->tx.ring = g->rx.ring + entries;
	g->rx.tail_register = (uint32_t *)(uintptr_t)b->regs;
	g->tx.tail_register = (uint32_t *)(uintptr_t)(b->regs + IGB_TDT_DISTANCE);
	g->rx.mask = g->tx.mask = (uint32_t)entries - 1;
	g->arena_iova = boot->arena_iova;
	g->bell = rf_doorbell(boot, 0);
	/* Head = tail is the empty ring, so one entry stays unused. */
	return (unsigned)entries - 1;
}

/* ---- receiving (7.1.5) ------------------------------------------------------------------ */

static void igb_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct igb *g = dev;

	g->free = free;
	intel_refill(&g->rx, g->arena_iova, free, at, n);
}

/* A frame that is broken, in parts or tagged, or whose checksum is wrong. */
static INTEL_SLOW void receive_slow(uint64_t word, uint32_t at, struct rf_net_frame *record)
{
	uint32_t flags = word & IGB_RXD_EOP ? 0 : RF_NET_MORE;
	uint64_t vlan = 0;

	if (word & IGB_RXD_RXE)
		return intel_record(record, intel_record_low(at, 0, 0), 0);
	if ((word & (IGB_RXD_L4CS | IGB_RXD_L4E | IGB_RXD_IPE)) == IGB_RXD_L4CS)
		flags |= RF_NET_CSUM_OK;
	if (word & IGB_RXD_VP) {
		flags |= RF_NET_VLAN;
		vlan = IGB_RXD_VLAN(word);
	}
	intel_record(record, intel_record_low(at, IGB_RXD_LENGTH(word), flags), vlan << 48);
}

static unsigned igb_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct igb *g = dev;
	const struct intel_desc *ring = g->rx.ring;
	const uint32_t *free = g->free;
	uint32_t next = g->rx.next, first = next, end = intel_rx_end(&g->rx), mask = g->rx.mask;

	for (; next != end; next++, at++) {
		uint64_t word = intel_look(&ring[next & mask]);

		if (RF_UNLIKELY((word & RX_MASK) != RX_PLAIN)) {
			if (!(word & IGB_RXD_DD))
				break;
			receive_slow(word, *RF_NET_SLOT(free, next), RF_NET_SLOT(rx, at));
			continue;
		}
		/* The length is where the record has it, and the bit that says the checksum was
		 * looked at becomes the flag. */
		_Static_assert(RF_NET_CSUM_OK == 4 && IGB_RXD_L4CS == 1ull << 5, "50 = 48 + 2");
		intel_record(RF_NET_SLOT(rx, at), *RF_NET_SLOT(free, next) | (word & 0xffffull << 32) |
			     (word & IGB_RXD_L4CS) << (50 - 5), 0);
	}
	g->rx.next = next;
	return next - first;
}

/* ---- sending (7.2.2) -------------------------------------------------------------------- */

/* 7.2.2.3: what the device must know to fill in checksums, to cut a frame and to tag it. */
static void put_context(struct intel_tx *tx, const struct rf_net_frame *f)
{
	uint32_t mac = f->l3_start ? f->l3_start : 14;
	uint32_t ip = f->csum_start > mac ? f->csum_start - mac : 0;
	uint64_t word1 = IGB_CTX_TYPE | IGB_CTX_DEXT;

	if (f->csum_offset == 16)
		word1 |= IGB_CTX_TCP;
	if (f->gso)
		word1 |= IGB_CTX_L4LEN(f->l4_bytes) | IGB_CTX_MSS(f->gso_size);
	if (f->gso == RF_NET_GSO_TCP4)
		word1 |= IGB_CTX_IPV4;
	intel_put_context(tx, IGB_CTX_LENGTHS(mac, ip) | IGB_CTX_VLAN(f->flags & RF_NET_VLAN ? f->vlan : 0),
			  word1);
}

/* Command and option bits of all descriptors of a frame. */
static uint64_t data_bits(const struct rf_net_frame *f, uint32_t bytes)
{
	uint64_t bits = IGB_TXD_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS;
	uint64_t payload = f->gso ? bytes - (f->csum_start + f->l4_bytes) : bytes;

	if (f->flags & RF_NET_CSUM)
		bits |= IGB_TXD_TXSM;
	if (f->gso)
		bits |= IGB_TXD_TSE;
	if (f->gso == RF_NET_GSO_TCP4)
		bits |= IGB_TXD_IXSM;
	if (f->flags & RF_NET_VLAN)
		bits |= IGB_TXD_VLE;
	return bits | payload << IGB_TXD_PAYLEN_SHIFT;
}

/* A frame with offloads or in parts. Records taken; 0: not all there, or no room. */
static INTEL_SLOW unsigned send_slow(struct igb *g, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	const struct rf_net_frame *f = RF_NET_SLOT(tx, at);
	uint32_t bytes;
	unsigned pieces, parts = intel_parts(tx, at, n, &pieces, &bytes);

	if (!parts || pieces + 1 > intel_room(&g->tx))
		return 0;
	if (f->flags & (RF_NET_CSUM | RF_NET_VLAN))
		put_context(&g->tx, f);
	intel_put_parts(&g->tx, g->arena_iova, tx, at, parts, data_bits(f, bytes));
	return parts;
}

/* Plain frames from `at` on, one descriptor each, until one is not plain. */
static inline uint32_t send_plain(struct igb *g, const struct rf_net_frame *tx, uint32_t at, uint32_t end)
{
	struct intel_desc *ring = g->tx.ring;
	uint32_t tail = g->tx.tail, mask = g->tx.mask;
	uint64_t iova = g->arena_iova;

	for (; at != end; at++, tail++) {
		struct intel_desc *desc = &ring[tail & mask];
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		desc->word[0] = iova + (low & 0xffffffff) * RF_NET_UNIT;
		desc->word[1] = (low >> 32) * (1 | 1ull << IGB_TXD_PAYLEN_SHIFT) | TX_PLAIN;
	}
	g->tx.tail = tail;
	return at;
}

static unsigned igb_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct igb *g = dev;
	uint32_t first = at, end = at + n;

	for (;;) {
		uint32_t room = intel_room(&g->tx);
		at = send_plain(g, tx, at, end - at > room ? at + room : end);
		if (RF_LIKELY(at == end))
			break;
		unsigned taken = send_slow(g, tx, at, end - at);
		if (!taken)
			break;
		at += taken;
	}
	if (at != first)
		intel_batch_end(&g->tx, at - first);
	return at - first;
}

static unsigned igb_reap(void *dev)
{
	struct igb *g = dev;

	return intel_reap(&g->tx);
}

/* ---- both --------------------------------------------------------------------------------- */

static void igb_commit(void *dev)
{
	struct igb *g = dev;

	intel_commit(&g->rx, &g->tx);
	rf_doorbell_kick(&g->bell, RF_ASLEEP);
}

static bool igb_pending(void *dev, bool tx)
{
	const struct igb *g = dev;

	return (g->rx.next != g->rx.tail && intel_look(&g->rx.ring[g->rx.next & g->rx.mask]) & IGB_RXD_DD) ||
	       (tx && intel_batch_done(&g->tx));
}

/* No arm(), disarm() and link(), for the reasons e1000e.c has. */
static const struct rf_net_driver igb_driver = {
	.start = igb_start,
	.refill = igb_refill,
	.receive = igb_receive,
	.send = igb_send,
	.reap = igb_reap,
	.commit = igb_commit,
	.pending = igb_pending,
};

RF_NET_DRIVER(igb_driver, struct igb)
