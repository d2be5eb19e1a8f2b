/* SPDX-License-Identifier: MIT */
/*
 * e1000e.c - receive and transmit queue 0 of an Intel 82574.
 *
 * Room:   drivers, untrusted.
 * Device: Intel 82574 (datasheet revision 3.4: 7.1 receive, 7.2 transmit).
 * Given:  the pages with the rings' registers; rings that are set up, enabled and empty.
 *         All other registers are the device process's: nothing here can reach them.
 * Layout: queue memory as e1000e_queue_*() of hw/e1000e.h say.
 * Sent:   the device reports the last descriptor of a batch only (RS); what lies before
 *         it is done too, because it fetches and reports in order.
 */
#include "e1000e.h"
#include "net.h"

/* Off the path of plain frames: not inlined into it. */
#define E1000E_SLOW __attribute__((noinline))
/* Longest piece of a frame one descriptor describes: well below the transmit FIFO. */
#define PIECE_SHIFT 13

#define RX_MASK  (E1000E_RXD_DD | E1000E_RXD_EOP | E1000E_RXD_IXSM | E1000E_RXD_VP | \
		  E1000E_RXD_BROKEN | E1000E_RXD_TCPE | E1000E_RXD_IPE)
#define RX_PLAIN (E1000E_RXD_DD | E1000E_RXD_EOP)
#define TX_PLAIN (E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS | E1000E_TXD_EOP)

/* Frames handed over by one send(): the descriptor after the last one, and how many. */
struct e1000e_batch {
	uint32_t end, records;
};

struct e1000e {
	struct e1000e_desc *rx, *tx;
	uint32_t *rdt, *tdt;
	uint64_t  arena_iova;
	/* Free-running; the mask makes them places in a ring. */
	uint32_t rx_mask, rx_next, rx_tail, rx_rung;
	uint32_t tx_mask, tx_tail, tx_rung, tx_clean;
	uint32_t batch_head, batch_tail;
	uint64_t context[2]; /* as the device has it; 0: none yet */
	struct rf_doorbell  bell;
	struct e1000e_batch batch[RF_NET_DEPTH]; /* under way */
};

static bool entries_valid(uint64_t entries)
{
	return entries >= E1000E_MIN_ENTRIES && entries <= E1000E_MAX_ENTRIES && !(entries & (entries - 1));
}

static unsigned e1000e_start(void *dev, const struct rf_boot *boot)
{
	const struct rf_boot_queue *b = &boot->queue[0];
	uint64_t rx = b->param[E1000E_PARAM_RX_ENTRIES], tx = b->param[E1000E_PARAM_TX_ENTRIES];
	struct e1000e *e = dev;

	if (!entries_valid(rx) || !entries_valid(tx) ||
	    e1000e_queue_bytes((uint32_t)rx, (uint32_t)tx) > b->mem_bytes)
		rf_exit(RF_EXIT_BOOT);
	e->rx = (struct e1000e_desc *)(uintptr_t)b->mem;
	e->tx = (struct e1000e_desc *)(uintptr_t)(b->mem + e1000e_queue_tx((uint32_t)rx));
	e->rdt = (uint32_t *)(uintptr_t)b->regs;
	e->tdt = (uint32_t *)(uintptr_t)(b->regs + E1000E_TDT_DISTANCE);
	e->arena_iova = boot->arena_iova;
	e->rx_mask = (uint32_t)rx - 1;
	e->tx_mask = (uint32_t)tx - 1;
	e->bell = rf_doorbell(boot, 0);
	/* 7.1.8: head = tail is the empty ring, so one entry stays unused. */
	return e->rx_mask < RF_NET_DEPTH ? e->rx_mask : RF_NET_DEPTH;
}

/* ---- receiving (7.1.4, legacy descriptors) ------------------------------------------ */

static void e1000e_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct e1000e *e = dev;
	struct e1000e_desc *ring = e->rx;
	uint32_t tail = e->rx_tail, mask = e->rx_mask;
	uint64_t iova = e->arena_iova;

	for (uint32_t end = at + n; at != end; at++, tail++) {
		struct e1000e_desc *desc = &ring[tail & mask];

		desc->word[0] = iova + (uint64_t)*RF_NET_SLOT(free, at) * RF_NET_UNIT;
		desc->word[1] = 0;
	}
	e->rx_tail = tail;
}

static inline void record_write(struct rf_net_frame *record, uint64_t low, uint64_t high)
{
	memcpy(record, &low, 8);
	memcpy((char *)record + 8, &high, 8);
}

/* at, length and flags of a frame's record; the rest is the other half. */
static inline uint64_t record_low(uint32_t at, uint32_t length, uint32_t flags)
{
	return at | (uint64_t)length << 32 | (uint64_t)flags << 48;
}

/* A frame that is broken, in parts, tagged, or of a protocol without a checksum. */
static E1000E_SLOW void receive_slow(uint64_t word, uint32_t at, struct rf_net_frame *record)
{
	uint32_t flags = word & E1000E_RXD_EOP ? 0 : RF_NET_MORE;
	uint64_t vlan = 0;

	if (word & E1000E_RXD_BROKEN)
		return record_write(record, record_low(at, 0, 0), 0);
	if ((word & (E1000E_RXD_TCPCS | E1000E_RXD_IXSM | E1000E_RXD_TCPE | E1000E_RXD_IPE)) == E1000E_RXD_TCPCS)
		flags |= RF_NET_CSUM_OK;
	if (word & E1000E_RXD_VP) {
		flags |= RF_NET_VLAN;
		vlan = E1000E_RXD_VLAN(word);
	}
	record_write(record, record_low(at, E1000E_RXD_LENGTH(word), flags), vlan << 48);
}

static inline uint64_t word_look(const struct e1000e_desc *desc)
{
	return __atomic_load_n(&desc->word[1], __ATOMIC_ACQUIRE);
}

static unsigned e1000e_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct e1000e *e = dev;
	const struct e1000e_desc *ring = e->rx;
	uint32_t next = e->rx_next, first = next, mask = e->rx_mask;
	/* One that was not refilled since still says that it is done. */
	uint32_t held = e->rx_tail - next;
	uint32_t end = next + (held < RF_NET_BATCH ? held : RF_NET_BATCH);
	uint64_t iova = e->arena_iova;

	for (; next != end; next++, at++) {
		const struct e1000e_desc *desc = &ring[next & mask];
		uint64_t word = word_look(desc);
		uint32_t place = (uint32_t)((desc->word[0] - iova) / RF_NET_UNIT);

		if (RF_UNLIKELY((word & RX_MASK) != RX_PLAIN)) {
			if (!(word & E1000E_RXD_DD))
				break;
			receive_slow(word, place, RF_NET_SLOT(rx, at));
			continue;
		}
		/* The bit that says the checksum was looked at becomes the flag. */
		_Static_assert(RF_NET_CSUM_OK == 4 && E1000E_RXD_TCPCS == 1ull << 37, "50 = 48 + 2");
		record_write(RF_NET_SLOT(rx, at), place | (word & 0xffff) << 32 |
			     (word & E1000E_RXD_TCPCS) << (50 - 37), 0);
	}
	e->rx_next = next;
	return next - first;
}

/* ---- sending (7.2) -------------------------------------------------------------------- */

static inline void put(struct e1000e *e, uint64_t word0, uint64_t word1)
{
	struct e1000e_desc *desc = &e->tx[e->tx_tail++ & e->tx_mask];

	desc->word[0] = word0;
	desc->word[1] = word1;
}

/* Records of the frame that begins at `at`, and descriptors its data needs; 0 records if
 * it is not all there. */
static unsigned frame_parts(const struct rf_net_frame *tx, uint32_t at, unsigned n, unsigned *pieces,
			    uint32_t *bytes)
{
	*pieces = *bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct rf_net_frame *part = RF_NET_SLOT(tx, at + i);

		*pieces += (part->length + (1u << PIECE_SHIFT) - 1) >> PIECE_SHIFT;
		*bytes += part->length;
		if (!(part->flags & RF_NET_MORE))
			return i + 1;
	}
	return 0;
}

/* 7.2.6: what the device must know to fill in checksums and to cut a frame. */
static void context_of(const struct rf_net_frame *f, uint32_t bytes, uint64_t context[2])
{
	uint32_t headers = f->csum_start + f->l4_bytes;
	bool tcp = f->csum_offset == 16;

	context[0] = E1000E_CTX_TU(f->csum_start, f->csum_start + f->csum_offset);
	if (f->l3_start)
		context[0] |= E1000E_CTX_IP(f->l3_start, f->csum_start - 1u);
	context[1] = E1000E_CTX_DEXT | (tcp ? E1000E_CTX_TCP : 0);
	if (f->gso)
		context[1] |= E1000E_CTX_TSE | E1000E_CTX_HDRLEN(headers) | E1000E_CTX_MSS(f->gso_size) |
			      (bytes - headers);
	if (f->gso == RF_NET_GSO_TCP4)
		context[1] |= E1000E_CTX_IPV4;
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
static E1000E_SLOW unsigned send_slow(struct e1000e *e, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	const struct rf_net_frame *f = RF_NET_SLOT(tx, at);
	uint32_t bytes, room = e->tx_mask - (e->tx_tail - e->tx_clean);
	unsigned pieces, parts = frame_parts(tx, at, n, &pieces, &bytes);
	uint64_t context[2], bits = data_bits(f);

	if (!parts || pieces + 1 > room)
		return 0;
	if (f->flags & RF_NET_CSUM) {
		context_of(f, bytes, context);
		if (context[0] != e->context[0] || context[1] != e->context[1])
			put(e, e->context[0] = context[0], e->context[1] = context[1]);
	}
	for (unsigned i = 0; i < parts; i++) {
		const struct rf_net_frame *part = RF_NET_SLOT(tx, at + i);
		uint64_t iova = e->arena_iova + (uint64_t)part->at * RF_NET_UNIT;

		for (uint32_t done = 0, piece; done < part->length; done += piece) {
			piece = part->length - done;
			if (piece > 1u << PIECE_SHIFT)
				piece = 1u << PIECE_SHIFT;
			put(e, iova + done, bits | piece);
		}
	}
	e->tx[(e->tx_tail - 1) & e->tx_mask].word[1] |= E1000E_TXD_EOP;
	return parts;
}

/* Plain frames from `at` on, one descriptor each, until one is not plain. */
static inline uint32_t send_plain(struct e1000e *e, const struct rf_net_frame *tx, uint32_t at, uint32_t end)
{
	struct e1000e_desc *ring = e->tx;
	uint32_t tail = e->tx_tail, mask = e->tx_mask;
	uint64_t iova = e->arena_iova;

	for (; at != end; at++, tail++) {
		struct e1000e_desc *desc = &ring[tail & mask];
		uint64_t low;

		memcpy(&low, RF_NET_SLOT(tx, at), 8);
		/* No flags and no segmentation: the upper half is the length alone. */
		if (RF_UNLIKELY(low >> 48))
			break;
		desc->word[0] = iova + (low & 0xffffffff) * RF_NET_UNIT;
		desc->word[1] = low >> 32 | TX_PLAIN;
	}
	e->tx_tail = tail;
	return at;
}

static unsigned e1000e_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct e1000e *e = dev;
	uint32_t first = at, end = at + n, tail = e->tx_tail;

	for (;;) {
		uint32_t room = e->tx_mask - (e->tx_tail - e->tx_clean);
		at = send_plain(e, tx, at, end - at > room ? at + room : end);
		if (RF_LIKELY(at == end))
			break;
		unsigned taken = send_slow(e, tx, at, end - at);
		if (!taken)
			break;
		at += taken;
	}
	if (tail == e->tx_tail)
		return 0;
	e->tx[(e->tx_tail - 1) & e->tx_mask].word[1] |= E1000E_TXD_RS;
	e->batch[e->batch_tail++ & (RF_NET_DEPTH - 1)] =
		(struct e1000e_batch){ .end = e->tx_tail, .records = at - first };
	return at - first;
}

static inline bool batch_done(const struct e1000e *e, const struct e1000e_batch *batch)
{
	return word_look(&e->tx[(batch->end - 1) & e->tx_mask]) & E1000E_TXD_DD;
}

static unsigned e1000e_reap(void *dev)
{
	struct e1000e *e = dev;
	unsigned records = 0;

	while (e->batch_head != e->batch_tail) {
		const struct e1000e_batch *batch = &e->batch[e->batch_head & (RF_NET_DEPTH - 1)];
		if (!batch_done(e, batch))
			break;
		records += batch->records;
		e->tx_clean = batch->end;
		e->batch_head++;
	}
	return records;
}

/* ---- both --------------------------------------------------------------------------------- */

static void e1000e_commit(void *dev)
{
	struct e1000e *e = dev;

	if (e->rx_rung != e->rx_tail) {
		e->rx_rung = e->rx_tail;
		rf_mmio_write32(e->rdt, e->rx_tail & e->rx_mask);
	}
	if (e->tx_rung != e->tx_tail) {
		e->tx_rung = e->tx_tail;
		rf_mmio_write32(e->tdt, e->tx_tail & e->tx_mask);
	}
	rf_doorbell_kick(&e->bell, RF_ASLEEP);
}

static bool e1000e_pending(void *dev, bool tx)
{
	const struct e1000e *e = dev;

	if (e->rx_next != e->rx_tail && word_look(&e->rx[e->rx_next & e->rx_mask]) & E1000E_RXD_DD)
		return true;
	return tx && e->batch_head != e->batch_tail &&
	       batch_done(e, &e->batch[e->batch_head & (RF_NET_DEPTH - 1)]);
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
