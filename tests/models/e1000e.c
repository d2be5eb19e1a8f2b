/* SPDX-License-Identifier: MIT */
/*
 * e1000e.c - an 82574L network controller behind a vfio-user socket.
 *
 * Room:   tests/models. See e1000e.h for what is where and whom it trusts.
 * Like:   two queues a way, legacy and extended descriptors, checksum offload, TCP and UDP
 *         segmentation, VLAN tags, 16 exact and 4096 hashed addresses, MSI-X with EITR,
 *         MSI, INTx, EEPROM, PHY.
 * Unlike: no RSS, packet split, jumbo buffers across queues, wake-up, manageability, flash
 *         contents, time stamps of frames. The link is as fast as the host.
 * Faults: e1000e_faults below; interrupts and protocol are the server's.
 */
#include "e1000e_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static struct fault e1000e_faults[F_COUNT] = {
	[F_BAD_LENGTH] = { .name = "bad-length",
			   .what = "a received frame is said to be longer than its buffer (arg: "
				   "length)" },
	[F_STALE] = { .name = "stale-descriptor",
		      .what = "a receive descriptor is reported done with an old frame's status "
			      "(arg: how far back, 0 the next)" },
	[F_DMA_OUTSIDE] = { .name = "dma-outside",
			    .what = "frame data from or to an address outside the map (arg: "
				    "address)" },
	[F_LINK_FLAP] = { .name = "link-flap",
			  .what = "the link goes down at a frame and comes back (arg: ms, 100)" },
	[F_NEVER_READY] = { .name = "never-ready",
			    .what = "CTRL.RST never clears, until reset through PCI" },
	[F_SLOW] = { .name = "slow", .what = "a pause at a frame (arg: us, 1000)" },
	[F_HANG] = { .name = "hang", .what = "no more frames either way until a reset" },
	[F_DROP] = { .name = "drop",
		     .what = "a frame is lost (arg: 1 received only, 2 sent only)" },
	[F_DUPLICATE] = { .name = "duplicate", .what = "a frame comes twice (arg as for drop)" },
	[F_CORRUPT] = { .name = "corrupt", .what = "one bit of a frame flips (arg as for drop)" },
	[F_ALL_ONES] = { .name = "all-ones",
			 .what = "a register reads as ones, as of a device that is gone" },
};

static struct model_counter e1000e_counters[C_COUNT] = {
	[C_TX_FRAMES] = { "tx_frames", 0 },     [C_TX_BYTES] = { "tx_bytes", 0 },
	[C_RX_FRAMES] = { "rx_frames", 0 },     [C_RX_BYTES] = { "rx_bytes", 0 },
	[C_RX_FILTERED] = { "rx_filtered", 0 }, [C_RX_DISABLED] = { "rx_disabled", 0 },
	[C_RX_NO_DESC] = { "rx_no_descriptor", 0 }, [C_PEER_LOST] = { "peer_lost", 0 },
	[C_BAD_DESC] = { "bad_descriptors", 0 }, [C_RESETS] = { "mac_resets", 0 },
	[C_TX_RESET_LOST] = { "tx_reset_lost", 0 }, [C_RX_RESET_LOST] = { "rx_reset_lost", 0 },
	[C_RX_UNTAKEN] = { "rx_untaken", 0 },
	[C_IRQS] = { "irqs_raised", 0 },
};

static uint8_t mac_option[6] = { 0x02, 0x72, 0x66, 0x00, 0x00, 0x01 };

/* ---- options --------------------------------------------------------------- */

static int option_mac(const char *value)
{
	unsigned m[6];
	char rest;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
		   &rest) != 6 ||
	    (m[0] & 1)) {
		rf_log("--mac %s: six hexadecimal bytes with colons, not a group's address", value);
		return -EINVAL;
	}
	for (int i = 0; i < 6; i++)
		mac_option[i] = (uint8_t)m[i];
	return 0;
}

static int e1000e_option(const char *key, const char *value)
{
	if (!strcmp(key, "mac"))
		return option_mac(value);
	return e_peer_option(key, value);
}

/* ---- reset ----------------------------------------------------------------- */

/* Frames a reset ends: those the device itself still has, and those in memory whose descriptors
 * the driver has not given back: it may or may not have seen them. */
static void count_ended(struct nic *n)
{
	struct e_ring r = e_ring(n, E_RX(0));
	uint32_t free = r.tail >= r.head ? r.tail - r.head : r.count - r.head + r.tail;

	if (r.count && (r.head || r.tail))
		n->count[C_RX_UNTAKEN].value += r.count - 1 - free;
	n->count[C_RX_RESET_LOST].value += !!n->rx_len + !!n->again_len;
	n->count[C_TX_RESET_LOST].value += e_peer_waiting(n);
}

/* What CTRL.RST does (4.2.1.6.1): all but the PHY. */
void e_reset_mac(struct nic *n)
{
	uint32_t led = *e_reg(n, E_LEDCTL);

	count_ended(n);
	memset(n->reg, 0, sizeof(n->reg));
	for (uint32_t at = E_PAGES; at < E_PAGES + E_PAGES_LEN; at += 4)
		if (at != E_ASLEEP)
			e_ring_set(n, at, 0);
	for (unsigned q = 0; q < E_QUEUES; q++) {
		struct e_tx_queue *t = &n->tx[q];
		uint8_t *frame = t->frame;

		e_ring_set(n, E_RX(q) + E_DCTL, 0x10000);
		memset(t, 0, sizeof(*t));
		t->frame = frame;
	}
	*e_reg(n, E_LEDCTL) = led ? led : 0x07068302;
	*e_reg(n, E_CTRL) = E_CTRL_FD | E_CTRL_SLU | 2u << 8;
	*e_reg(n, E_STATUS) = E_STATUS_FD | E_STATUS_1000 | E_STATUS_MASTER;
	*e_reg(n, E_EECD) = E_EECD_PRES | E_EECD_AUTO_RD | 1u << E_EECD_SIZE_SHIFT;
	*e_reg(n, E_EEWR) = 2;
	*e_reg(n, E_EEMNGCTL) = 1u << 18 | 1u << 19; /* configuration cycles done */
	*e_reg(n, E_VET) = 0x8100;
	*e_reg(n, E_PBA) = 0x00140014;
	*e_reg(n, E_TIPG) = 0x00602008;
	*e_reg(n, E_RAL) = n->nvm[0] | (uint32_t)n->nvm[1] << 16;
	*e_reg(n, E_RAL + 4) = n->nvm[2] | E_RAH_VALID;
	n->asserted = n->waiting = 0;
	n->waiting_one = false;
	memset(n->gate, 0, sizeof(n->gate));
	n->fifo.from = n->fifo.to = 0;
	n->rx_len = n->again_len = 0;
	n->hung = n->rx_blocked = false;
	n->not_before = 0;
	n->systim_from = server_now();
	server_intx(n->server, false);
	n->count[C_RESETS].value++;
	e_link_update(n);
}

static void e1000e_reset(void *dev, enum model_reset why)
{
	struct nic *n = dev;

	(void)why;
	n->stuck = false;
	n->link_cut = false;
	e_nvm_fill(n);
	e_phy_reset(n);
	e_reset_mac(n);
	*e_reg(n, E_ICR) = 0; /* the link that came up is nobody's news yet */
	e_irq_update(n);
}

/* ---- open and close -------------------------------------------------------- */

static void e1000e_close(void *dev)
{
	struct nic *n = dev;

	e_peer_close(n);
	for (unsigned q = 0; q < E_QUEUES; q++)
		free(n->tx[q].frame);
	free(n);
}

static void *e1000e_open(struct server *s, struct model_pci *pci)
{
	struct nic *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->server = s;
	n->fault = e1000e_faults;
	n->count = e1000e_counters;
	memcpy(n->mac, mac_option, 6);
	*pci = (struct model_pci){
		.vendor = 0x8086, .device = 0x10d3, .subvendor = 0x8086, .subdevice = 0x0000,
		.class_code = 0x020000,
		.bar = { { .bytes = E_REGS_BYTES }, { .bytes = 4096 }, { .bytes = 32, .io = true },
		         { .bytes = 16384 } },
		.msix_vectors = 5, .msix_bar = 3, .msix_table = 0, .msix_pba = 0x2000,
		.msi_vectors = 1, .intx = true,
		/* like the 82574, no FLR: its soft reset is CTRL.RST */
	};
	for (unsigned q = 0; q < E_QUEUES; q++)
		n->tx[q].frame = malloc(E_BURST_MAX + 64);
	n->pages = server_share(s, 0, E_PAGES, E_PAGES_LEN, E_ASLEEP);
	if (!n->tx[0].frame || !n->tx[1].frame || !n->pages || e_peer_open(n)) {
		e1000e_close(n);
		return NULL;
	}
	return n;
}

/* ---- accesses -------------------------------------------------------------- */

static uint32_t ioaddr; /* BAR 2 (10.2.1.2): an address, and a window on that register */

static int io_access(struct nic *n, uint64_t offset, uint32_t *value, bool write)
{
	bool inside = ioaddr < E_REGS_BYTES && !(ioaddr & 3) &&
	              (ioaddr < E_PAGES || ioaddr >= E_PAGES + E_PAGES_LEN);

	if (offset == 0 && write)
		ioaddr = *value;
	else if (offset == 0)
		*value = ioaddr;
	else if (offset == 4 && write && inside)
		e_reg_write(n, ioaddr, *value);
	else if (offset == 4 && !write)
		*value = inside ? e_reg_read(n, ioaddr) : 0;
	return 0;
}

/* The register at a multiple of 4. */
static uint32_t word_read(struct nic *n, unsigned bar, uint64_t offset)
{
	uint32_t value = 0;

	if (bar == 0)
		return e_reg_read(n, (uint32_t)offset);
	if (bar == 2)
		io_access(n, offset, &value, false);
	else
		value = ~0u; /* an erased flash; nothing beside the MSI-X table */
	return value;
}

static int e1000e_read(void *dev, unsigned bar, uint64_t offset, void *to, uint32_t bytes)
{
	struct nic *n = dev;
	uint8_t *out = to;

	if (bar == 0 && e_fires(n, F_ALL_ONES)) {
		memset(to, 0xff, bytes);
		return 0;
	}
	while (bytes) {
		uint32_t word = word_read(n, bar, offset & ~3ull), from = offset & 3;
		uint32_t part = 4 - from < bytes ? 4 - from : bytes;

		memcpy(out, (uint8_t *)&word + from, part);
		out += part;
		offset += part;
		bytes -= part;
	}
	return 0;
}

static int e1000e_write(void *dev, unsigned bar, uint64_t offset, const void *from, uint32_t bytes)
{
	struct nic *n = dev;
	const uint8_t *in = from;

	if (bar != 0 && bar != 2)
		return 0;
	for (; bytes; bytes -= 4, offset += 4, in += 4) {
		uint32_t word;

		if ((offset & 3) || bytes < 4)
			return 0; /* 10.1.1: registers take whole words only */
		memcpy(&word, in, 4);
		if (bar == 0)
			e_reg_write(n, (uint32_t)offset, word);
		else
			io_access(n, offset, &word, true);
	}
	return 0;
}

/* ---- work ------------------------------------------------------------------ */

static void flap(struct nic *n)
{
	if (e_fires(n, F_LINK_FLAP)) {
		n->link_cut = true;
		n->link_back = server_now() + fault_arg(&n->fault[F_LINK_FLAP], 100) * 1000000;
		e_link_update(n);
	}
	if (n->link_cut && server_now() >= n->link_back) {
		n->link_cut = false;
		e_link_update(n);
	}
}

static bool may_work(struct nic *n)
{
	return !n->hung && !n->stuck && (*e_reg(n, E_STATUS) & E_STATUS_MASTER) &&
	       server_now() >= n->not_before;
}

static bool e1000e_poll(void *dev)
{
	struct nic *n = dev;
	bool work = false;

	if (n->waiting || n->waiting_one)
		e_irq_update(n);
	if (n->link_cut)
		flap(n);
	if (!may_work(n)) {
		e_peer_watch(n, false);
		return false;
	}
	for (unsigned q = 0; q < E_QUEUES; q++)
		work |= e_tx_poll(n, q);
	work |= e_peer_flush(n);
	if (may_work(n))
		work |= e_rx_poll(n);
	if (work && n->fault[F_LINK_FLAP].left)
		flap(n);
	return work;
}

static void sooner(uint64_t *first, uint64_t when)
{
	if (when && (!*first || when < *first))
		*first = when;
}

static uint64_t e1000e_deadline(void *dev)
{
	struct nic *n = dev;
	uint64_t first = e_irq_deadline(n);

	sooner(&first, n->peer_retry);
	if (n->not_before > server_now())
		sooner(&first, n->not_before);
	if (n->link_cut)
		sooner(&first, n->link_back);
	return first;
}

/* A doorbell in the pages can move something only once a direction is switched on. */
static bool e1000e_live(void *dev)
{
	struct nic *n = dev;

	return ((*e_reg(n, E_RCTL) & E_RCTL_EN) || (*e_reg(n, E_TCTL) & E_TCTL_EN)) && may_work(n);
}

static int e1000e_control(void *dev, int count, char **word, FILE *out)
{
	struct nic *n = dev;

	if (count != 2 || strcmp(word[0], "link"))
		return -ENOENT;
	if (strcmp(word[1], "up") && strcmp(word[1], "down"))
		return -EINVAL;
	n->link_cut = !strcmp(word[1], "down");
	n->link_back = UINT64_MAX;
	e_link_update(n);
	fprintf(out, "link %s\n", n->link_up ? "up" : "down");
	return 0;
}

const struct model e1000e_model = {
	.name = "e1000e",
	.usage = "  --mac ADDRESS        of the EEPROM (02:72:66:00:00:01)\n"
		 "  --peer PATH          connect the cable to a SOCK_SEQPACKET socket, a frame a "
		 "message\n"
		 "  --peer-listen PATH   the same, but be the one that listens\n"
		 "  --peer-fd N          the same, connected already\n"
		 "  --tap NAME           a TAP interface of that name, made if need be\n"
		 "  --tap-fd N           one that is open already\n"
		 "  --loop yes           what is sent is received\n"
		 "  control socket: link up|down\n",
	.option = e1000e_option,
	.open = e1000e_open,
	.close = e1000e_close,
	.reset = e1000e_reset,
	.read = e1000e_read,
	.write = e1000e_write,
	.poll = e1000e_poll,
	.deadline = e1000e_deadline,
	.live = e1000e_live,
	.control = e1000e_control,
	.faults = e1000e_faults,
	.fault_count = F_COUNT,
	.counters = e1000e_counters,
	.counter_count = C_COUNT,
};

#ifndef MODEL_NO_MAIN
int main(int argc, char **argv)
{
	return server_main(argc, argv, &e1000e_model);
}
#endif
