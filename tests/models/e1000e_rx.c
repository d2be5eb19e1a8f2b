/* SPDX-License-Identifier: MIT */
/*
 * e1000e_rx.c - the receive side: filters, and frames to descriptors (82574 datasheet, 7.1).
 *
 * Room:   tests/models.
 * Limits: one queue in use (no RSS: the hash is 0), no packet split, no early threshold.
 *         A frame without descriptors waits, as in the packet buffer, and those behind it
 *         in the peer's socket; a receiver that is off throws frames away.
 */
#include "e1000e_model.h"

#include <errno.h>
#include <string.h>

#define BATCH 64u

/* ---- filters (7.1.1) ------------------------------------------------------------------------ */

static bool multicast_wanted(struct nic *n, const uint8_t *to)
{
	static const unsigned shift[] = { 4, 3, 2, 0 };
	unsigned hash =
		(to[4] | (unsigned)to[5] << 8) >> shift[*e_reg(n, E_RCTL) >> 12 & 3] & 0xfff;

	return *e_reg(n, E_MTA + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static bool address_exact(struct nic *n, const uint8_t *to)
{
	uint32_t low = to[0] | (uint32_t)to[1] << 8 | (uint32_t)to[2] << 16 | (uint32_t)to[3] << 24;
	uint32_t high = to[4] | (uint32_t)to[5] << 8;

	for (unsigned i = 0; i < 16; i++) {
		uint32_t rah = *e_reg(n, E_RAL + 8 * i + 4);

		if ((rah & E_RAH_VALID) && (rah & 0xffff) == high &&
		    *e_reg(n, E_RAL + 8 * i) == low)
			return true;
	}
	return false;
}

static bool wanted(struct nic *n, const uint8_t *frame, uint32_t bytes, bool *exact)
{
	uint32_t rctl = *e_reg(n, E_RCTL);
	bool tagged = bytes >= 18 && e_get16(frame + 12) == *e_reg(n, E_VET);

	*exact = address_exact(n, frame);
	if (bytes > (tagged ? 1518u : 1514u) && !(rctl & E_RCTL_LPE)) {
		e_stat(n, 0x40ac, 1); /* ROC */
		return false;
	}
	if ((rctl & E_RCTL_VFE) && tagged) {
		unsigned vlan = e_get16(frame + 14) & 0xfff;

		if (!(*e_reg(n, E_VFTA + 4 * (vlan >> 5)) >> (vlan & 31) & 1))
			return false;
	}
	if (*exact)
		return true;
	if (!memcmp(frame, "\377\377\377\377\377\377", 6))
		return rctl & (E_RCTL_BAM | E_RCTL_MPE);
	if (frame[0] & 1)
		return (rctl & E_RCTL_MPE) || multicast_wanted(n, frame);
	return rctl & E_RCTL_UPE;
}

/* ---- descriptors ----------------------------------------------------------- */

static uint32_t buffer_bytes(uint32_t rctl)
{
	unsigned code = rctl >> 16 & 3, flex = rctl >> 27 & 15;

	if (flex)
		return flex * 1024;
	if (rctl & E_RCTL_BSEX)
		return code ? 32768u >> code : 2048;
	return 2048u >> code;
}

struct written {
	uint32_t status; /* extended form: errors in the top byte */
	uint16_t length, vlan;
};

/* The word with DD is stored last and at once, so that a driver never sees half of it. */
static void write_back(struct nic *n, uint64_t at, const uint8_t *desc)
{
	uint64_t word;
	_Atomic uint64_t *to = server_dma_at(n->server, at + 8, 8, true);

	memcpy(&word, desc + 8, 8);
	if (to && !((uintptr_t)to & 7))
		atomic_store_explicit(to, word, memory_order_release);
	else
		server_dma_write(n->server, at + 8, &word, 8);
}

static void give(struct nic *n, uint64_t at, const struct written *w)
{
	uint8_t d[E_DESC] = {0};

	if (*e_reg(n, E_RFCTL) & E_RFCTL_EXTEN) {
		server_dma_write(n->server, at, d, 8); /* no hash, no queue, no packet checksum */
		memcpy(d + 8, &w->status, 4);
		memcpy(d + 12, &w->length, 2);
	} else {
		memcpy(d + 8, &w->length, 2);
		d[12] = (uint8_t)w->status;
		d[13] = (uint8_t)(w->status >> 24);
	}
	memcpy(d + 14, &w->vlan, 2);
	write_back(n, at, d);
	memcpy(n->rx_last, d, sizeof(d));
}

/* The last write-back once more, where no frame has come: in the next descriptor, or in one
 * that the driver has had before. */
static void give_stale(struct nic *n, const struct e_ring *r)
{
	uint32_t back = (uint32_t)fault_arg(&n->fault[F_STALE], 0) % r->count;
	uint32_t old = (r->head + r->count - back) % r->count;

	write_back(n, r->base + (uint64_t)old * E_DESC, n->rx_last);
}

static uint64_t buffer_at(struct nic *n, const struct e_ring *r)
{
	uint64_t address;

	if (e_fires(n, F_DMA_OUTSIDE))
		return fault_arg(&n->fault[F_DMA_OUTSIDE], 1ull << 46);
	if (server_dma_read(n->server, e_ring_desc(r), &address, sizeof(address)))
		return 0;
	return address;
}

/* Puts a frame into as many buffers as it needs; there are enough descriptors. */
static void put_frame(struct nic *n, struct e_ring *r, const uint8_t *frame, uint32_t bytes,
                      const struct written *whole)
{
	uint32_t room = buffer_bytes(*e_reg(n, E_RCTL));

	for (uint32_t at = 0; at < bytes; at += room) {
		uint32_t part = bytes - at < room ? bytes - at : room;
		struct written w = { .status = E_RXD_DD, .length = (uint16_t)part };

		if (server_dma_write(n->server, buffer_at(n, r), frame + at, part))
			n->count[C_BAD_DESC].value++;
		if (at + part == bytes) {
			w.status = whole->status | E_RXD_DD | E_RXD_EOP;
			w.vlan = whole->vlan;
			if (e_fires(n, F_BAD_LENGTH))
				w.length = (uint16_t)fault_arg(&n->fault[F_BAD_LENGTH], 0xfff0);
		}
		give(n, e_ring_desc(r), &w);
		r->head = r->head + 1 == r->count ? 0 : r->head + 1;
	}
	e_ring_set(n, r->at + E_HEAD, r->head);
	if (e_fires(n, F_STALE))
		give_stale(n, r);
}

/* Strips or adds what RCTL and CTRL say. New length; `frame` has 4 bytes of room behind it. */
static uint32_t shape(struct nic *n, uint8_t *frame, uint32_t bytes, struct written *w)
{
	uint32_t rxcsum = *e_reg(n, E_RXCSUM), crc;

	if (bytes < 60) { /* nothing shorter is on a wire */
		memset(frame + bytes, 0, 60 - bytes);
		bytes = 60;
	}
	if (!(*e_reg(n, E_RCTL) & E_RCTL_SECRC)) {
		crc = e_crc(frame, bytes);
		memcpy(frame + bytes, &crc, 4);
		bytes += 4;
	}
	if ((*e_reg(n, E_CTRL) & E_CTRL_VME) && e_get16(frame + 12) == *e_reg(n, E_VET)) {
		w->vlan = e_get16(frame + 14);
		w->status |= E_RXD_VP;
		memmove(frame + 12, frame + 16, bytes - 16);
		bytes -= 4;
	}
	w->status |= e_sum_check(frame, bytes, rxcsum & E_RXCSUM_IP, rxcsum & E_RXCSUM_L4);
	return bytes;
}

/* One frame: 1 it is in memory, 0 it was not for us, -EAGAIN it must wait for descriptors. */
static int receive(struct nic *n, struct e_ring *r)
{
	uint32_t room = buffer_bytes(*e_reg(n, E_RCTL)), free, bytes;
	struct written w = {0};
	uint8_t frame[E_FRAME_MAX + 8];
	bool exact;

	if (!wanted(n, n->rx_frame, n->rx_len, &exact)) {
		n->count[C_RX_FILTERED].value++;
		return 0;
	}
	free = r->tail >= r->head ? r->tail - r->head : r->count - r->head + r->tail;
	if ((n->rx_len + 8 + room - 1) / room > free)
		return -EAGAIN;
	memcpy(frame, n->rx_frame, n->rx_len);
	if (!exact)
		w.status |= E_RXD_PIF;
	e_stat_frame(n, false, frame, n->rx_len);
	n->count[C_RX_FRAMES].value++;
	n->count[C_RX_BYTES].value += n->rx_len;
	bytes = shape(n, frame, n->rx_len, &w);
	put_frame(n, r, frame, bytes, &w);
	return 1;
}

/* Causes for the driver once a batch is in memory. */
static void tell(struct nic *n, const struct e_ring *r)
{
	uint32_t free = r->tail >= r->head ? r->tail - r->head : r->count - r->head + r->tail;
	uint32_t causes = server_has_msix(n->server) ? E_ICR_RXQ(0) : E_ICR_RXT0;

	if (free <= r->count >> (1 + (*e_reg(n, E_RCTL) >> 8 & 3)))
		causes |= E_ICR_RXDMT0;
	e_irq_cause(n, causes);
}

bool e_rx_poll(struct nic *n)
{
	bool on = (*e_reg(n, E_RCTL) & E_RCTL_EN) && n->link_up;
	struct e_ring r = e_ring(n, E_RX(0));
	uint32_t work = 0, given = 0;
	bool blocked = false;

	for (; work < BATCH && server_now() >= n->not_before; work++) {
		if (!n->rx_len)
			n->rx_len = e_peer_next(n, n->rx_frame, E_FRAME_MAX);
		if (!n->rx_len)
			break;
		if (!on) {
			n->count[C_RX_DISABLED].value++;
		} else {
			int took = r.count ? receive(n, &r) : -EAGAIN;

			if (took < 0) {
				blocked = true;
				break;
			}
			given += (uint32_t)took;
			if (took && e_fires(n, F_SLOW))
				n->not_before =
					server_now() + fault_arg(&n->fault[F_SLOW], 1000) * 1000;
			if (took && e_fires(n, F_HANG)) {
				n->hung = true;
				work++;
				n->rx_len = 0;
				break;
			}
		}
		n->rx_len = 0;
	}
	if (blocked && !n->rx_blocked) {
		n->count[C_RX_NO_DESC].value++;
		e_stat(n, 0x40a0, 1); /* RNBC */
	}
	n->rx_blocked = blocked;
	e_peer_watch(n, !blocked);
	if (given)
		tell(n, &r);
	return work;
}
