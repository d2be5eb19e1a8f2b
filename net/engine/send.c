/* SPDX-License-Identifier: MIT */
/*
 * send.c - the path of every frame that goes out, and how the driver learns of it.
 *
 * Room:   net/engine, trusted.
 * Trust:  what was sent is known from memory of ours; of the driver only the index of the slots
 *         that it gives back is believed, within those that it was given.
 */
#include <errno.h>
#include <string.h>

#include "frame_words.h"
#include "buffers.h"
#include "net_core.h"

#define REAP_AT 16u /* slots under way: buffers used again soon are still in the caches, and
                       receive buffers that are forwarded do not all wait here */

static inline __attribute__((always_inline)) unsigned slots_reap(struct rf_net *n,
								 enum rf_proto_error *bad)
{
	uint32_t head = atomic_load_explicit(&n->tx_shared->head, memory_order_acquire);
	uint32_t done = n->tx_done, free_count = n->tx_free_count, parts = 0;
	const uint32_t tx_base = n->tx_base;

	if (unlikely(head - done > n->tx_seen - done)) {
		*bad = RF_BAD_INDEX;
		return 0;
	}
	for (; done != head; done++) {
		uint32_t slot = n->tx_slot[done & (RF_NET_DEPTH - 1)], at = slot & RF_TX_AT;

		if (likely(slot < tx_base)) { /* received, and forwarded whole */
			rf_net_post(n, slot);
			continue;
		}
		parts += slot >> 31;
		if (slot & RF_TX_KEPT)
			continue;
		if (at >= tx_base)
			n->tx_free[free_count++] = at;
		else
			rf_net_post(n, at);
	}
	n->tx_free_count = free_count;
	done -= n->tx_done;
	n->tx_done += done;
	n->count.tx_done += done - parts;
	return done;
}

unsigned rf_net_reap(struct rf_net *n)
{
	enum rf_proto_error bad = 0;
	unsigned done = slots_reap(n, &bad);

	if (unlikely(bad))
		rf_session_proto_error(&n->session, bad);
	return done;
}

void rf_net_reap_dead(struct rf_net *n, enum rf_proto_error *bad)
{
	(void)slots_reap(n, bad);
}

static inline unsigned tx_room(struct rf_net *n, unsigned want)
{
	uint32_t used = n->tx_own - n->tx_done;

	if (unlikely(!rf_session_alive(&n->session)))
		return 0;
	if (used > REAP_AT || RF_NET_DEPTH - used < want)
		used -= rf_net_reap(n);
	return unlikely(!rf_session_alive(&n->session)) ? 0 : RF_NET_DEPTH - used;
}

unsigned rf_net_tx_room(struct rf_net *n, unsigned want)
{
	return tx_room(n, want);
}

uint32_t rf_net_tx_alloc(struct rf_net *n)
{
	if (!n->tx_free_count && rf_session_alive(&n->session))
		rf_net_reap(n);
	return n->tx_free_count && n->session.arena_ours ? n->tx_free[--n->tx_free_count] : 0;
}

void rf_net_tx_free(struct rf_net *n, uint32_t at)
{
	RF_BUG_ON(at < n->tx_base || n->tx_free_count == RF_NET_TX_BUFFERS);
	n->tx_free[n->tx_free_count++] = at;
}

/* Checksum and segmentation: asked for rightly, and within the device's power? */
static bool offload_fits(const struct rf_net *n, const struct rf_net_frame *f)
{
	static const uint32_t needs[] = { 0, RF_NET_HAS_TSO4, RF_NET_HAS_TSO6 };
	uint32_t has = n->info.features, l4 = f->csum_start;

	if (f->flags & RF_NET_VLAN && !(has & RF_NET_HAS_VLAN))
		return false;
	if (!(f->flags & RF_NET_CSUM))
		return !f->gso;
	if (!(has & RF_NET_HAS_TX_CSUM) || l4 < ETH_BYTES || l4 + f->csum_offset + 2u > f->length ||
	    l4 + f->csum_offset > UINT8_MAX || f->l3_start > RF_NET_L3_MOST ||
	    (f->l3_start && (f->l3_start < ETH_BYTES || f->l3_start + 20u > l4)))
		return false;
	if (!f->gso)
		return true;
	uint32_t ip_bytes = f->gso == RF_NET_GSO_TCP4 ? 20 : 40;
	return f->gso <= RF_NET_GSO_TCP6 && has & needs[f->gso] && f->csum_offset == 16 &&
	       f->l3_start && f->l3_start + ip_bytes <= l4 && f->l4_bytes >= 20 &&
	       f->l4_bytes <= 60 && l4 + f->l4_bytes < f->length && l4 + f->l4_bytes <= UINT8_MAX &&
	       f->gso_size >= 8 && l4 - f->l3_start + f->l4_bytes + f->gso_size <= n->info.mtu;
}

static uint16_t frame_get16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* RF_NET_TSO_NO_LENGTH: such a device adds every segment's own length. */
static void take_length_out(struct rf_net *n, const struct rf_net_frame *f, uint32_t total)
{
	unsigned char *frame = rf_net_at(n, f->at), *l3 = frame + f->l3_start;
	unsigned char *sum = frame + f->csum_start + f->csum_offset;
	uint32_t length = total - f->csum_start;
	uint32_t rest = frame_get16(sum) + (uint16_t)~length; /* subtraction in ones' complement */

	put16(sum, (rest & 0xffff) + (rest >> 16));
	put16(l3 + (f->gso == RF_NET_GSO_TCP4 ? 2 : 4), 0);
	if (f->gso == RF_NET_GSO_TCP4)
		put16(l3 + 10, 0);
}

static inline void tx_put(struct rf_net *n, uint64_t first, uint64_t second, uint32_t slot)
{
	uint32_t own = n->tx_own++ & (RF_NET_DEPTH - 1);

	n->tx_slot[own] = slot;
	frame_put(&n->tx_ring[own], first, second);
}

int rf_net_tx(struct rf_net *n, const struct rf_net_frame *f)
{
	bool     part = n->tx_own != n->tx_done && n->tx_own != 0 &&
		    n->tx_slot[(n->tx_own - 1) & (RF_NET_DEPTH - 1)] & RF_TX_MORE;
	uint32_t more = f->flags & RF_NET_MORE;
	uint64_t first, second;

	RF_BUG_ON(f->at < n->tx_base || n->tx_own - n->tx_done >= RF_NET_DEPTH);
	if (!part) {
		uint32_t max = f->gso ? n->info.tx_max : n->frame_max;

		if (f->length < ETH_BYTES || f->length > max || f->length > n->tx_buffer ||
		    (more && !(n->info.features & RF_NET_HAS_SG)) ||
		    (more && f->gso && n->info.features & RF_NET_TSO_NO_LENGTH) ||
		    ((f->flags | f->gso) && !offload_fits(n, f))) {
			n->count.tx_refused++;
			return -EINVAL;
		}
		n->count.tx_frames++;
	}
	if (f->gso && !part && n->info.features & RF_NET_TSO_NO_LENGTH)
		take_length_out(n, f, f->length);
	memcpy(&first, f, 8);
	memcpy(&second, (const char *)f + 8, 8);
	tx_put(n, first, second, f->at | (more ? RF_TX_MORE : 0));
	n->count.tx_bytes += f->length;
	return 0;
}

void rf_net_tx_refuse(struct rf_net *n)
{
	n->count.tx_refused++;
}

/* `count` frames for which there is room, until one is not plain. */
static inline __attribute__((always_inline)) unsigned
forward_plain(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	const uint32_t first = n->tx_own, end = first + count;
	uint32_t own = first;
	uint64_t bytes = 0;

	for (; own != end; own++, frames++) {
		uint64_t word;

		memcpy(&word, frames, 8);
		if (unlikely(WORD_META(word) & ~META_PLAIN))
			break;
		word &= 0xffffffffffffull;
		n->tx_slot[own & (RF_NET_DEPTH - 1)] = (uint32_t)word;
		frame_put(&n->tx_ring[own & (RF_NET_DEPTH - 1)], word, 0);
		bytes += word >> 32;
	}
	n->tx_own = own;
	n->count.tx_bytes += bytes;
	n->count.tx_frames += own - first;
	return own - first;
}

static __attribute__((noinline)) unsigned
forward_reaping(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	return forward_plain(n, frames, frame_min(count, tx_room(n, count)));
}

unsigned rf_net_forward(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	uint32_t used = n->tx_own - n->tx_done;

	if (unlikely(!rf_session_alive(&n->session) || used > REAP_AT ||
		     count > RF_NET_DEPTH - REAP_AT))
		return forward_reaping(n, frames, count);
	return forward_plain(n, frames, count);
}

unsigned rf_net_inject(struct rf_net *n, const struct rf_net_frame *frame, unsigned count)
{
	unsigned room = tx_room(n, count);
	uint64_t first;

	memcpy(&first, frame, 8);
	if (count > room)
		count = room;
	if (frame->length < ETH_BYTES || frame->length > n->frame_max || WORD_META(first))
		return 0;
	for (unsigned i = 0; i < count; i++)
		tx_put(n, first, 0, frame->at | RF_TX_KEPT);
	n->count.tx_frames += count;
	n->count.tx_bytes += (uint64_t)count * frame->length;
	return count;
}

/* ---- publish and sleep --------------------------------------------------------------- */

static inline bool asleep(const struct rf_ring *ring)
{
	return atomic_load_explicit(&ring->asleep, memory_order_relaxed);
}

void rf_net_push(struct rf_net *n)
{
	bool fresh_free = n->free_own != n->free_seen, fresh_tx = n->tx_own != n->tx_seen;

	if (!(fresh_free | fresh_tx) || unlikely(!rf_session_alive(&n->session)))
		return;
	if (fresh_free)
		atomic_store_explicit(&n->free_shared->tail, n->free_seen = n->free_own,
				      memory_order_release);
	if (fresh_tx)
		atomic_store_explicit(&n->tx_shared->tail, n->tx_seen = n->tx_own,
				      memory_order_release);
	/* A successor that is still held back gets no kick: it looks before it sleeps. */
	if (unlikely(n->session.state != RF_DRIVER_UP))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely((fresh_tx && asleep(n->tx_shared)) ||
		     (fresh_free && asleep(n->free_shared))))
		rf_session_kick(&n->session);
}

bool rf_net_sleep(struct rf_net *n, bool tx)
{
	rf_net_push(n);
	if (n->stash_head != n->stash_tail || n->chain_whole)
		return false;
	if (rf_session_alive(&n->session)) {
		tx = tx && n->tx_own != n->tx_done;
		atomic_store_explicit(&n->chan->tx_wait, tx, memory_order_relaxed);
		rf_ring_arm(&n->rx);
		uint32_t head = atomic_load_explicit(&n->tx_shared->head, memory_order_acquire);
		if (rf_ring_ready(&n->rx) || (tx && head != n->tx_done)) {
			rf_net_wake(n, false);
			return false;
		}
		/* Who sleeps with no interrupt for sent frames must hear that they matter now. */
		if (tx && n->session.state == RF_DRIVER_UP && asleep(n->tx_shared))
			rf_session_kick(&n->session);
	}
	rf_net_publish(n);
	return true;
}

void rf_net_wake(struct rf_net *n, bool kicked)
{
	if (n->chan) {
		rf_ring_disarm(&n->rx);
		atomic_store_explicit(&n->chan->tx_wait, 0, memory_order_relaxed);
	}
	if (kicked)
		rf_session_woken(&n->session);
}
