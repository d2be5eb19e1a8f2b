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
	struct intel_queues q; /* first: intel_ring.h's functions take it for the whole */
	const uint32_t *free;  /* the free ring: record i went into descriptor i */
};

static unsigned igb_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint64_t entries = b->param[IGB_PARAM_ENTRIES];
	struct igb *g = dev;

	if (!intel_entries_valid(entries, IGB_MIN_ENTRIES, IGB_MAX_ENTRIES) ||
	    igb_queue_bytes((uint32_t)entries) > b->mem_bytes)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	g->q.rx.ring = (struct intel_desc *)(uintptr_t)b->mem;
	g->q.tx.ring = g->q.rx.ring + entries;
	g->q.rx.tail_register = (uint32_t *)(uintptr_t)b->regs;
	g->q.tx.tail_register = (uint32_t *)(uintptr_t)(b->regs + IGB_TDT_DISTANCE);
	g->q.rx.mask = g->q.tx.mask = (uint32_t)entries - 1;
	g->q.arena_iova = boot->arena_iova;
	g->q.bell = rf_doorbell(boot, 0);
	/* Head = tail is the empty ring, so one entry stays unused. */
	return (unsigned)entries - 1;
}

/* ---- receiving (7.1.5) ------------------------------------------------------------------ */

static void igb_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct igb *g = dev;

	g->free = free;
	intel_refill(&g->q.rx, g->q.arena_iova, free, at, n);
}

/* A frame that is broken, in parts or tagged, or whose checksum is wrong. */
static INTEL_SLOW void igb_receive_slow(uint64_t word, uint32_t at, struct rf_net_frame *record)
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

static inline void igb_take(void *dev, const struct intel_desc *desc, uint32_t index, uint64_t word,
			    struct rf_net_frame *record)
{
	uint32_t at = *RF_NET_SLOT(((const struct igb *)dev)->free, index);

	(void)desc;
	if (RF_UNLIKELY((word & RX_MASK) != RX_PLAIN))
		return igb_receive_slow(word, at, record);
	/* The length is where the record has it, and the bit that says the checksum was
	 * looked at becomes the flag. */
	_Static_assert(RF_NET_CSUM_OK == 4 && IGB_RXD_L4CS == 1ull << 5, "50 = 48 + 2");
	intel_record(record, at | (word & 0xffffull << 32) | (word & IGB_RXD_L4CS) << (50 - 5), 0);
}

static unsigned igb_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	return intel_ring_receive(dev, rx, at, IGB_RXD_DD, igb_take);
}

/* ---- sending (7.2.2) -------------------------------------------------------------------- */

/* 7.2.2.3: what the device must know to fill in checksums, to cut a frame and to tag it. */
static void igb_put_context(struct intel_tx *tx, const struct rf_net_frame *f)
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
	intel_put_context(tx,
			  IGB_CTX_LENGTHS(mac, ip) |
				  IGB_CTX_VLAN(f->flags & RF_NET_VLAN ? f->vlan : 0),
			  word1);
}

static uint64_t igb_describe(struct intel_tx *tx, const struct rf_net_frame *f, uint32_t bytes)
{
	uint64_t bits = IGB_TXD_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS;
	uint64_t payload = f->gso ? bytes - (f->csum_start + f->l4_bytes) : bytes;

	if (f->flags & (RF_NET_CSUM | RF_NET_VLAN))
		igb_put_context(tx, f);
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

/* A plain frame's length is the descriptor's and, higher up, the whole frame's. */
#define TX_PLACES (1 | 1ull << IGB_TXD_PAYLEN_SHIFT)

static INTEL_SLOW uint32_t igb_send_mixed(struct intel_queues *q, const struct rf_net_frame *tx,
					  uint32_t at, uint32_t end)
{
	return intel_send_mixed(q, tx, at, end, TX_PLAIN, TX_PLACES, igb_describe);
}

static unsigned igb_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	return intel_send(dev, tx, at, n, TX_PLAIN, TX_PLACES, igb_send_mixed);
}

/* ---- both --------------------------------------------------------------------------------- */

static bool igb_pending(void *dev, bool tx)
{
	const struct igb *g = dev;

	return intel_rx_pending(&g->q.rx, IGB_RXD_DD) || (tx && intel_batch_done(&g->q.tx));
}

/* No arm(), disarm() and link(), for the reasons e1000e.c has. */
static const struct rf_net_driver igb_driver = {
	.start = igb_start,
	.refill = igb_refill,
	.receive = igb_receive,
	.send = igb_send,
	.reap = intel_reap,
	.commit = intel_commit,
	.pending = igb_pending,
};

RF_NET_DRIVER(igb_driver, struct igb)
