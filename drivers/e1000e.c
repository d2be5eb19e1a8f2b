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

struct e1000e {
	struct intel_rx rx;
	struct intel_tx tx;
	uint64_t arena_iova;
	struct rf_doorbell bell;
};

static unsigned e1000e_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint64_t rx = b->param[E1000E_PARAM_RX_ENTRIES], tx = b->param[E1000E_PARAM_TX_ENTRIES];
	struct e1000e *e = dev;

	if (!intel_entries_valid(rx, E1000E_MIN_ENTRIES, E1000E_MAX_ENTRIES) ||
	    !intel_entries_valid(tx, E1000E_MIN_ENTRIES, E1000E_MAX_ENTRIES) ||
	    e1000e_queue_bytes((uint32_t)rx, (uint32_t)tx) > b->mem_bytes)
		rf_exit(RF_EXIT_BOOT);
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
	struct e1000e *e = dev;

	intel_refill(&e->rx, e->arena_iova, free, at, n);
}

/* A frame that is broken, in parts, tagged, or of a protocol without a checksum. */
static INTEL_SLOW void receive_slow(uint64_t word, uint32_t at, struct rf_net_frame *record)
{
	uint32_t flags = word & E1000E_RXD_EOP ? 0 : RF_NET_MORE;
	uint64_t vlan = 0;

	if (word & E1000E_RXD_BROKEN)
		return intel_record(record, intel_record_low(at, 0, 0), 0);
	if ((word & (E1000E_RXD_TCPCS | E1000E_RXD_IXSM | E1000E_RXD_TCPE | E1000E_RXD_IPE)) == E1000E_RXD_TCPCS)
		flags |= RF_NET_CSUM_OK;
	if (word & E1000E_RXD_VP) {
		flags |= RF_NET_VLAN;
		vlan = E1000E_RXD_VLAN(word);
	}
	intel_record(record, intel_record_low(at, E1000E_RXD_LENGTH(word), flags), vlan << 48);
}

static unsigned e1000e_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct e1000e *e = dev;
	const struct intel_desc *ring = e->rx.ring;
	uint32_t next = e->rx.next, first = next, end = intel_rx_end(&e->rx), mask = e->rx.mask;
	uint64_t iova = e->arena_iova;

	for (; next != end; next++, at++) {
		const struct intel_desc *desc = &ring[next & mask];
		uint64_t word = intel_look(desc);
		uint32_t place = (uint32_t)((desc->word[0] - iova) / RF_NET_UNIT);

		if (RF_UNLIKELY((word & RX_MASK) != RX_PLAIN)) {
			if (!(word & E1000E_RXD_DD))
				break;
			receive_slow(word, place, RF_NET_SLOT(rx, at));
			continue;
		}
		/* The bit that says the checksum was looked at becomes the flag. */
		_Static_assert(RF_NET_CSUM_OK == 4 && E1000E_RXD_TCPCS == 1ull << 37, "50 = 48 + 2");
		intel_record(RF_NET_SLOT(rx, at), place | (word & 0xffff) << 32 |
			     (word & E1000E_RXD_TCPCS) << (50 - 37), 0);
	}
	e->rx.next = next;
	return next - first;
}

/* ---- sending (7.2) -------------------------------------------------------------------- */

/* 7.2.6: what the device must know to fill in checksums and to cut a frame. */
static void put_context(struct intel_tx *tx, const struct rf_net_frame *f, uint32_t bytes)
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

/* Command and option bits of all descriptors of a frame. */
static uint64_t data_bits(const struct rf_net_frame *f)
{
	uint64_t bits = E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS;

	if (f->flags & RF_NET_CSUM)
		bits |= E1000E_TXD_TXSM;
	if (f->gso)
		bits |= E1000E_TXD_TSE;
	if (f->gso == RF_NET_GSO_TCP4)
		bits |= E1000E_TXD_IXSM;
	if (f->flags & RF_NET_VLAN)
		bits |= E1000E_TXD_VLE | E1000E_TXD_VLAN(f->vlan);
	return bits;
}

/* A frame with offloads or in parts. Records taken; 0: not all there, or no room. */
static INTEL_SLOW unsigned send_slow(struct e1000e *e, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	const struct rf_net_frame *f = RF_NET_SLOT(tx, at);
	uint32_t bytes;
	unsigned pieces, parts = intel_parts(tx, at, n, &pieces, &bytes);

	if (!parts || pieces + 1 > intel_room(&e->tx))
		return 0;
	if (f->flags & RF_NET_CSUM)
		put_context(&e->tx, f, bytes);
	intel_put_parts(&e->tx, e->arena_iova, tx, at, parts, data_bits(f));
	return parts;
}

/* Plain frames from `at` on, one descriptor each, until one is not plain. */
static inline uint32_t send_plain(struct e1000e *e, const struct rf_net_frame *tx, uint32_t at, uint32_t end)
{
	struct intel_desc *ring = e->tx.ring;
	uint32_t tail = e->tx.tail, mask = e->tx.mask;
	uint64_t iova = e->arena_iova;

	for (; at != end; at++, tail++) {
		struct intel_desc *desc = &ring[tail & mask];
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		desc->word[0] = iova + (low & 0xffffffff) * RF_NET_UNIT;
		desc->word[1] = low >> 32 | TX_PLAIN;
	}
	e->tx.tail = tail;
	return at;
}

static unsigned e1000e_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct e1000e *e = dev;
	uint32_t first = at, end = at + n;

	for (;;) {
		uint32_t room = intel_room(&e->tx);
		at = send_plain(e, tx, at, end - at > room ? at + room : end);
		if (RF_LIKELY(at == end))
			break;
		unsigned taken = send_slow(e, tx, at, end - at);
		if (!taken)
			break;
		at += taken;
	}
	if (at != first)
		intel_batch_end(&e->tx, at - first);
	return at - first;
}

static unsigned e1000e_reap(void *dev)
{
	struct e1000e *e = dev;

	return intel_reap(&e->tx);
}

/* ---- both --------------------------------------------------------------------------------- */

static void e1000e_commit(void *dev)
{
	struct e1000e *e = dev;

	intel_commit(&e->rx, &e->tx);
	rf_doorbell_kick(&e->bell, RF_ASLEEP);
}

static bool e1000e_pending(void *dev, bool tx)
{
	const struct e1000e *e = dev;

	return (e->rx.next != e->rx.tail && intel_look(&e->rx.ring[e->rx.next & e->rx.mask]) & E1000E_RXD_DD) ||
	       (tx && intel_batch_done(&e->tx));
}

/* No arm() and disarm(): interrupts are moderated by the device process's half, and their
 * registers are not in the driver's reach. No link(): neither is STATUS. */
static const struct rf_net_driver e1000e_driver = {
	.start = e1000e_start,
	.refill = e1000e_refill,
	.receive = e1000e_receive,
	.send = e1000e_send,
	.reap = e1000e_reap,
	.commit = e1000e_commit,
	.pending = e1000e_pending,
};

RF_NET_DRIVER(e1000e_driver, struct e1000e)
