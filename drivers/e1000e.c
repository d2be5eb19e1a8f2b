/* SPDX-License-Identifier: MIT */
/*
 * e1000e.c - receive and transmit queue 0 of an Intel 82574.
 *
 * Room:   drivers, untrusted.
 * Device: Intel 82574 (datasheet revision 3.4: 7.1 receive, 7.2 transmit).
 * Given:  the pages with the rings' registers; rings that are set up, enabled and empty.
 *         All other registers are the device process's: nothing here can reach them.
 * Layout: queue memory as e1000e_queue_*() of hw/e1000e.h say.
 */
#include "e1000e.h"
#include "intel_ring.h"

#define RX_MASK  (E1000E_RXD_DD | E1000E_RXD_EOP | E1000E_RXD_IXSM | E1000E_RXD_VP | \
		  E1000E_RXD_BROKEN | E1000E_RXD_TCPE | E1000E_RXD_IPE)
#define RX_PLAIN (E1000E_RXD_DD | E1000E_RXD_EOP)
#define TX_PLAIN (E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS | E1000E_TXD_EOP)

static unsigned e1000e_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint64_t rx = b->param[E1000E_PARAM_RX_ENTRIES], tx = b->param[E1000E_PARAM_TX_ENTRIES];
	struct intel_queues *e = dev;

	if (!intel_entries_valid(rx, E1000E_MIN_ENTRIES, E1000E_MAX_ENTRIES) ||
	    !intel_entries_valid(tx, E1000E_MIN_ENTRIES, E1000E_MAX_ENTRIES) ||
	    e1000e_queue_bytes((uint32_t)rx, (uint32_t)tx) > b->mem_bytes)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	e->rx.ring = (struct intel_desc *)(uintptr_t)b->mem;
	e->tx.ring = (struct intel_desc *)(uintptr_t)(b->mem + e1000e_queue_tx((uint32_t)rx));
	e->rx.tail_register = (uint32_t *)(uintptr_t)b->regs;
	e->tx.tail_register = (uint32_t *)(uintptr_t)(b->regs + E1000E_TDT_DISTANCE);
	e->rx.mask = (uint32_t)rx - 1;
	e->tx.mask = (uint32_t)tx - 1;
	e->arena_iova = boot->arena_iova;
	e->bell = rf_doorbell(boot, 0);
	/* 7.1.8: head = tail is the empty ring, so one entry stays unused. */
	return e->rx.mask < RF_NET_DEPTH ? e->rx.mask : RF_NET_DEPTH;
}

/* ---- receiving (7.1.4, legacy descriptors) ------------------------------------------ */

static void e1000e_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct intel_queues *e = dev;

	intel_refill(&e->rx, e->arena_iova, free, at, n);
}

/* A frame that is broken, in parts, tagged, or of a protocol without a checksum. */
static INTEL_SLOW void e1000e_receive_slow(uint64_t word, uint32_t at, struct rf_net_frame *record)
{
	uint32_t flags = word & E1000E_RXD_EOP ? 0 : RF_NET_MORE;
	uint64_t vlan = 0;

	if (word & E1000E_RXD_BROKEN)
		return intel_record(record, intel_record_low(at, 0, 0), 0);
	if ((word & (E1000E_RXD_TCPCS | E1000E_RXD_IXSM | E1000E_RXD_TCPE | E1000E_RXD_IPE)) ==
	    E1000E_RXD_TCPCS)
		flags |= RF_NET_CSUM_OK;
	if (word & E1000E_RXD_VP) {
		flags |= RF_NET_VLAN;
		vlan = E1000E_RXD_VLAN(word);
	}
	intel_record(record, intel_record_low(at, E1000E_RXD_LENGTH(word), flags), vlan << 48);
}

static inline void e1000e_take(void *dev, const struct intel_desc *desc, uint32_t index,
			       uint64_t word, struct rf_net_frame *record)
{
	uint32_t at = (uint32_t)((desc->word[0] - ((const struct intel_queues *)dev)->arena_iova) /
				 RF_NET_UNIT);

	(void)index;
	if (RF_UNLIKELY((word & RX_MASK) != RX_PLAIN))
		return e1000e_receive_slow(word, at, record);
	/* The bit that says the checksum was looked at becomes the flag. */
	_Static_assert(RF_NET_CSUM_OK == 4 && E1000E_RXD_TCPCS == 1ull << 37, "50 = 48 + 2");
	intel_record(record, at | (word & 0xffff) << 32 | (word & E1000E_RXD_TCPCS) << (50 - 37),
		     0);
}

static unsigned e1000e_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	return intel_ring_receive(dev, rx, at, E1000E_RXD_DD, e1000e_take);
}

/* ---- sending (7.2) -------------------------------------------------------------------- */

/* 7.2.6: what the device must know to fill in checksums and to cut a frame. */
static void e1000e_put_context(struct intel_tx *tx, const struct rf_net_frame *f, uint32_t bytes)
{
	uint32_t headers = f->csum_start + f->l4_bytes;
	uint64_t word0 = E1000E_CTX_TU(f->csum_start, f->csum_start + f->csum_offset);
	uint64_t word1 = E1000E_CTX_DEXT | (f->csum_offset == 16 ? E1000E_CTX_TCP : 0);

	if (f->l3_start)
		word0 |= E1000E_CTX_IP(f->l3_start, f->csum_start - 1u);
	if (f->gso)
		word1 |= E1000E_CTX_TSE | E1000E_CTX_HDRLEN(headers) | E1000E_CTX_MSS(f->gso_size) |
			 (bytes - headers);
	if (f->gso == RF_NET_GSO_TCP4)
		word1 |= E1000E_CTX_IPV4;
	intel_put_context(tx, word0, word1);
}

static uint64_t e1000e_describe(struct intel_tx *tx, const struct rf_net_frame *f, uint32_t bytes)
{
	uint64_t bits = E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS;

	if (f->flags & RF_NET_CSUM) {
		e1000e_put_context(tx, f, bytes);
		bits |= E1000E_TXD_TXSM;
	}
	if (f->gso)
		bits |= E1000E_TXD_TSE;
	if (f->gso == RF_NET_GSO_TCP4)
		bits |= E1000E_TXD_IXSM;
	if (f->flags & RF_NET_VLAN)
		bits |= E1000E_TXD_VLE | E1000E_TXD_VLAN(f->vlan);
	return bits;
}

static INTEL_SLOW uint32_t e1000e_send_mixed(struct intel_queues *e, const struct rf_net_frame *tx,
					     uint32_t at, uint32_t end)
{
	return intel_send_mixed(e, tx, at, end, TX_PLAIN, 1, e1000e_describe);
}

static unsigned e1000e_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	return intel_send(dev, tx, at, n, TX_PLAIN, 1, e1000e_send_mixed);
}

/* ---- both --------------------------------------------------------------------------------- */

static bool e1000e_pending(void *dev, bool tx)
{
	const struct intel_queues *e = dev;

	return intel_rx_pending(&e->rx, E1000E_RXD_DD) || (tx && intel_batch_done(&e->tx));
}

/* No arm() and disarm(): interrupts are moderated by the device process's half, and their
 * registers are not in the driver's reach. No link(): neither is STATUS. */
static const struct rf_net_driver e1000e_driver = {
	.start = e1000e_start,
	.refill = e1000e_refill,
	.receive = e1000e_receive,
	.send = e1000e_send,
	.reap = intel_reap,
	.commit = intel_commit,
	.pending = e1000e_pending,
};

RF_NET_DRIVER(e1000e_driver, struct intel_queues)
