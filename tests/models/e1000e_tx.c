/* SPDX-License-Identifier: MIT */
/*
 * e1000e_tx.c - the transmit side: descriptors to frames (82574 datasheet, 7.2).
 *
 * Room:   tests/models.
 * Trust:  none in descriptors: every length is added only where it fits, every checksum
 *         offset is looked at only inside the frame. A burst that cannot be right is
 *         dropped whole and counted; its descriptors are given back all the same, as the
 *         hardware does.
 */
#include "e1000e_model.h"

#include <string.h>

#define BATCH 64u /* descriptors a call: the server looks at its socket in between */

struct e_ring e_ring(struct nic *n, uint32_t at)
{
	struct e_ring r = { .at = at };

	r.base = e_ring_get(n, at + E_BAL) & ~15u;
	r.base |= (uint64_t)e_ring_get(n, at + E_BAH) << 32;
	r.count = (e_ring_get(n, at + E_LEN) & 0xfff80) / E_DESC;
	if (!r.count)
		return r;
	r.head = (e_ring_get(n, at + E_HEAD) & 0xffff) % r.count;
	r.tail = (e_ring_get(n, at + E_TAIL) & 0xffff) % r.count;
	return r;
}

/* ---- checksums into a frame --------------------------------------------------------------- */

/* Sum of [start, end] goes to `at`; end 0: to the last byte. Out of the frame: left alone. */
static void insert_sum(uint8_t *frame, uint32_t bytes, uint32_t start, uint32_t at, uint32_t end,
		       bool udp)
{
	uint16_t sum;

	if (!end || end >= bytes)
		end = bytes - 1;
	if (start > end || at + 2 > bytes)
		return;
	sum = e_sum_done(e_sum(frame + start, end - start + 1));
	if (udp && !sum)
		sum = 0xffff; /* RFC 768: 0 would say that there is none */
	e_put16(frame + at, sum);
}

/* Sends one frame as it goes over the wire. `frame` has room for a tag and padding. */
static void send_frame(struct nic *n, const struct e_tx_queue *q, uint8_t *frame, uint32_t bytes)
{
	if (q->tagged && bytes >= 12) {
		memmove(frame + 16, frame + 12, bytes - 12);
		e_put16(frame + 12, *e_reg(n, E_VET));
		e_put16(frame + 14, q->tag);
		bytes += 4;
	}
	if (bytes < 60 && (*e_reg(n, E_TCTL) & E_TCTL_PSP)) {
		memset(frame + bytes, 0, 60 - bytes);
		bytes = 60;
	}
	if (bytes < 14 || bytes > E_FRAME_MAX) {
		n->count[C_BAD_DESC].value++;
		return;
	}
	e_stat_frame(n, true, frame, bytes);
	n->count[C_TX_FRAMES].value++;
	n->count[C_TX_BYTES].value += bytes;
	if (!n->link_up)
		return;
	e_peer_send(n, frame, bytes);
}

static void insert_sums(struct e_tx_queue *q, const struct e_context *c, uint8_t *frame,
			uint32_t bytes)
{
	if (q->popts & E_POPTS_IP)
		insert_sum(frame, bytes, c->ipcss, c->ipcso, c->ipcse, false);
	if (q->popts & E_POPTS_L4)
		insert_sum(frame, bytes, c->tucss, c->tucso, c->tucse, !c->tcp);
}

/* ---- segmentation (7.2.6) -------------------------------------------------------------------- */

/* Headers of one segment: lengths, IP identification, sequence number, flags. */
static void fix_headers(const struct e_context *c, uint8_t *f, uint32_t bytes, uint32_t number,
                        uint32_t offset, bool last)
{
	uint8_t *ip = f + c->ipcss, *l4 = f + c->tucss;
	uint32_t seq;

	if (c->ipv4) {
		e_put16(ip + 2, bytes - c->ipcss);
		e_put16(ip + 4, e_get16(ip + 4) + number);
	} else {
		e_put16(ip + 4, bytes - c->ipcss - 40);
	}
	if (c->tcp) {
		seq = ((uint32_t)e_get16(l4 + 4) << 16 | e_get16(l4 + 6)) + offset;
		e_put16(l4 + 4, seq >> 16);
		e_put16(l4 + 6, seq);
		if (!last)
			l4[13] &= (uint8_t)~0x09; /* FIN and PSH are for the last */
	} else {
		e_put16(l4 + 4, bytes - c->tucss);
	}
	/* The driver leaves the pseudo-header's sum without the length (7.2.6.2). */
	e_put16(f + c->tucso, (uint16_t)~e_sum_done(e_get16(f + c->tucso) + bytes - c->tucss));
}

static bool can_segment(const struct e_context *c, uint32_t used)
{
	uint32_t ip_end = c->ipcss + (c->ipv4 ? 20u : 40u), l4_end = c->tucss + (c->tcp ? 20u : 8u);

	return c->mss && c->hdrlen >= ip_end && c->hdrlen >= l4_end && c->tucso + 2u <= c->hdrlen &&
	       used > c->hdrlen && c->hdrlen + (uint32_t)c->mss + 4 <= E_FRAME_MAX;
}

static void segment(struct nic *n, struct e_tx_queue *q)
{
	const struct e_context *c = &q->context[1];
	uint8_t  frame[E_FRAME_MAX + 64];
	uint32_t payload, number = 0;

	if (!can_segment(c, q->used)) {
		n->count[C_BAD_DESC].value++;
		e_stat(n, 0x40fc, 1); /* TSCTFC */
		return;
	}
	payload = q->used - c->hdrlen;
	for (uint32_t offset = 0; offset < payload; offset += c->mss, number++) {
		uint32_t part = payload - offset < c->mss ? payload - offset : c->mss;
		uint32_t bytes = c->hdrlen + part;

		memcpy(frame, q->frame, c->hdrlen);
		memcpy(frame + c->hdrlen, q->frame + c->hdrlen + offset, part);
		fix_headers(c, frame, bytes, number, offset, offset + part == payload);
		insert_sums(q, c, frame, bytes);
		send_frame(n, q, frame, bytes);
	}
	e_stat(n, 0x40f8, 1); /* TSCTC */
}

/* ---- descriptors ----------------------------------------------------------- */

static void take_context(struct e_tx_queue *q, uint64_t low, uint64_t high)
{
	struct e_context *c = &q->context[high & E_TXD_TSE ? 1 : 0];

	c->ipcss = (uint8_t)low;
	c->ipcso = (uint8_t)(low >> 8);
	c->ipcse = (uint16_t)(low >> 16);
	c->tucss = (uint8_t)(low >> 32);
	c->tucso = (uint8_t)(low >> 40);
	c->tucse = (uint16_t)(low >> 48);
	c->paylen = (uint32_t)(high & 0xfffff);
	c->tcp = high & E_TXD_TCP;
	c->ipv4 = high & E_TXD_IPV4;
	c->hdrlen = (uint8_t)(high >> 40);
	c->mss = (uint16_t)(high >> 48);
}

static void gather(struct nic *n, struct e_tx_queue *q, uint64_t address, uint32_t bytes)
{
	if (e_fires(n, F_DMA_OUTSIDE))
		address = fault_arg(&n->fault[F_DMA_OUTSIDE], 1ull << 46);
	if (bytes > E_BURST_MAX - 64 - q->used ||
	    server_dma_read(n->server, address, q->frame + q->used, bytes)) {
		q->bad = true;
		return;
	}
	q->used += bytes;
}

static void finish(struct nic *n, struct e_tx_queue *q, uint64_t high)
{
	if (q->bad || !q->used) {
		n->count[C_BAD_DESC].value++;
	} else if (q->tse) {
		segment(n, q);
	} else {
		if (q->ic) /* legacy: CSO and CSS are bytes of the descriptor */
			insert_sum(q->frame, q->used, high >> 40 & 0xff, high >> 16 & 0xff, 0,
				   false);
		insert_sums(q, &q->context[0], q->frame, q->used);
		send_frame(n, q, q->frame, q->used);
	}
	q->used = 0;
	q->popts = 0;
	q->tse = q->ic = q->bad = q->tagged = false;
}

static void take_data(struct nic *n, struct e_tx_queue *q, uint64_t low, uint64_t high)
{
	bool extended = high & E_TXD_DEXT;

	if (!q->used) {
		q->tse = extended && (high & E_TXD_TSE);
		q->popts = extended ? (uint8_t)(high >> 40) : 0;
	}
	if ((high & E_TXD_VLE) && (*e_reg(n, E_CTRL) & E_CTRL_VME)) {
		q->tagged = true;
		q->tag = (uint16_t)(high >> 48);
	}
	gather(n, q, low, (uint32_t)(high & (extended ? 0xfffff : 0xffff)));
	if (high & E_TXD_EOP) {
		q->ic = !extended && (high & E_TXD_IC);
		finish(n, q, high);
	}
}

bool e_tx_poll(struct nic *n, unsigned queue)
{
	struct e_tx_queue *q = &n->tx[queue];
	struct e_ring r = e_ring(n, E_TX(queue));
	uint32_t done = 0, causes = 0;

	if (!(*e_reg(n, E_TCTL) & E_TCTL_EN) || !r.count)
		return false;
	for (; r.head != r.tail && done < BATCH && e_peer_room(n) && server_now() >= n->not_before;
	     done++) {
		uint64_t d[2];
		uint32_t status;

		if (e_fires(n, F_HANG)) {
			n->hung = true;
			break;
		}
		if (e_fires(n, F_SLOW))
			n->not_before = server_now() + fault_arg(&n->fault[F_SLOW], 1000) * 1000;
		if (server_dma_read(n->server, e_ring_desc(&r), d, sizeof(d))) {
			n->count[C_BAD_DESC].value++;
			break; /* the ring is not in memory: nothing can be said to anybody */
		}
		if ((d[1] & E_TXD_DEXT) && !(d[1] & E_TXD_DATA))
			take_context(q, d[0], d[1]);
		else
			take_data(n, q, d[0], d[1]);
		if (d[1] & E_TXD_RS) {
			status = (uint32_t)(d[1] >> 32) | E_TXD_DD;
			server_dma_write(n->server, e_ring_desc(&r) + 12, &status, sizeof(status));
			causes |= E_ICR_TXDW | (server_has_msix(n->server) ? E_ICR_TXQ(queue) : 0);
		}
		r.head = r.head + 1 == r.count ? 0 : r.head + 1;
		e_ring_set(n, r.at + E_HEAD, r.head);
	}
	if (done && r.head == r.tail)
		causes |= E_ICR_TXQE;
	if (causes)
		e_irq_cause(n, causes);
	return done;
}
