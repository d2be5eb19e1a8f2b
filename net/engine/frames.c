/* SPDX-License-Identifier: MIT */
/*
 * frames.c - the path of every frame: receive, send, buffers that come back.
 *
 * Room:   net/engine, trusted.
 * Trust:  a record is fetched out of the ring once, as two words, and only these are looked
 *         at. A buffer must be one the driver has, the length fit into it, the metadata be
 *         within the frame; the first lie ends the use of that driver's rings.
 *         Frames only a peer can have made so (too short, too long) are dropped and counted.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "net_core.h"

#define ETH_BYTES 14u
#define REAP_AT   16u /* slots under way: buffers used again soon are still in the caches, and
                         receive buffers that are forwarded do not all wait here */
#define KNOWN     (RF_NET_MORE | RF_NET_CSUM | RF_NET_CSUM_OK | RF_NET_VLAN)

typedef uint64_t __attribute__((may_alias)) word_t;

/* A record as two words: what rf_net_frame says, field by field. */
#define WORD_LENGTH(w) ((uint32_t)((w) >> 32) & 0xffffu)
#define WORD_META(w)   ((uint32_t)((w) >> 48))
#define META_PLAIN     ((uint32_t)RF_NET_CSUM_OK)
_Static_assert(offsetof(struct rf_net_frame, length) == 4 &&
		       offsetof(struct rf_net_frame, flags) == 6 &&
		       offsetof(struct rf_net_frame, gso) == 7, "the WORD_ macros rely on it");

static inline uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline void frame_put(struct rf_net_frame *at, uint64_t first, uint64_t second)
{
	volatile word_t *word = (word_t *)at;

	word[0] = first;
	word[1] = second;
}

/* ---- receive -------------------------------------------------------------------- */

static void chain_drop(struct rf_net *n)
{
	for (uint32_t i = 0; i < n->chain_count; i++)
		rf_net_post(n, n->chain[i].at);
	n->chain_count = 0;
	n->count.rx_bad++;
}

/* A whole frame of whatever kind: may it be shown to anybody? */
static bool chain_fits(const struct rf_net *n)
{
	const struct rf_net_frame *f = n->chain;
	uint32_t total = 0;

	for (uint32_t i = 0; i < n->chain_count; i++)
		total += f[i].length;
	return f->length >= ETH_BYTES && total <= (f->gso ? 65535u + ETH_BYTES + 4 : n->frame_max);
}

static enum rf_violation chain_judge(const struct rf_net *n, const struct rf_net_frame *f)
{
	if (n->chain_count && (f->flags & ~RF_NET_MORE || f->gso))
		return RF_LIE_FRAME;
	if (f->flags & ~KNOWN || f->gso > RF_NET_GSO_TCP6 || n->chain_count == RF_NET_PARTS)
		return RF_LIE_FRAME;
	if (f->flags & RF_NET_CSUM && f->csum_start + f->csum_offset + 2u > f->length)
		return RF_LIE_FRAME;
	if (f->gso &&
	    (!f->gso_size || !(f->flags & RF_NET_CSUM) || !(n->info.features & RF_NET_HAS_RX_GSO)))
		return RF_LIE_FRAME;
	return 0;
}

/* A record of a buffer that is HELD: adds to the chain. Sets chain_whole if that is a frame
 * now. */
static enum rf_violation rx_other(struct rf_net *n, uint64_t first, uint64_t second)
{
	struct rf_net_frame f;

	memcpy(&f, &first, 8);
	memcpy((char *)&f + 8, &second, 8);
	if (!f.length && !n->chain_count && !(f.flags & RF_NET_MORE)) {
		rf_net_post(n, f.at); /* given back empty */
		return 0;
	}
	enum rf_violation lie = chain_judge(n, &f);
	if (lie)
		return lie;
	if (n->chain_count)
		f = (struct rf_net_frame){ .at = f.at, .length = f.length, .flags = f.flags };
	n->chain[n->chain_count++] = f;
	if (f.flags & RF_NET_MORE)
		return 0;
	if (chain_fits(n))
		n->chain_whole = true;
	else
		chain_drop(n);
	return 0;
}

/* The frame in the chain to its receiver, if there is room. Records. */
static unsigned chain_deliver(struct rf_net *n, struct rf_net_frame *out, unsigned max)
{
	unsigned count = n->chain_count;

	if (!n->chain_whole || count > max)
		return 0;
	memcpy(out, n->chain, count * sizeof(*out));
	for (unsigned i = 0; i < count; i++)
		n->count.rx_bytes += out[i].length;
	n->count.rx_frames++;
	n->chain_whole = false;
	n->chain_count = 0;
	return count;
}

static inline const volatile word_t *rx_record(const struct rf_net *n, uint32_t own)
{
	return (const volatile word_t *)(n->rx.ring->records +
					 (own & (RF_NET_DEPTH - 1)) * sizeof(struct rf_net_frame));
}

/* Takes the next record, whatever it is. */
static enum rf_violation rx_next(struct rf_net *n)
{
	const volatile word_t *record = rx_record(n, n->rx.own);
	uint64_t first = record[0], second = record[1];
	uint32_t i = rf_net_index(n, (uint32_t)first);

	if (i >= n->rx_count || n->buffer[i] != RF_BUFFER_POSTED)
		return RF_LIE_BUFFER;
	if (WORD_LENGTH(first) > n->rx_buffer)
		return RF_LIE_FRAME;
	n->rx.own++;
	n->buffer[i] = RF_BUFFER_HELD;
	enum rf_violation lie = rx_other(n, first, second);
	if (lie)
		n->buffer[i] = RF_BUFFER_POSTED;
	return lie;
}

/* Takes records up to `end` and as long as each is a frame in one buffer with nothing to say
 * about it. What is none was not taken, whatever was seen of it. */
static inline __attribute__((always_inline)) unsigned
rx_plain(struct rf_net *n, struct rf_net_frame *out, uint32_t end)
{
	/* Flags and segmentation lie above the length, and make it too large. */
	const uint32_t most = n->plain_max - ETH_BYTES;
	uint32_t own = n->rx.own, first = own;
	uint64_t bytes = 0;

	for (; own != end; own++) {
		uint64_t word = *rx_record(n, own);
		uint32_t length = (uint32_t)(word >> 32) & ~(META_PLAIN << 16);
		uint32_t i = rf_net_index(n, (uint32_t)word);

		if (unlikely(length - ETH_BYTES > most ||
			     i >= n->rx_count || n->buffer[i] != RF_BUFFER_POSTED))
			break;
		n->buffer[i] = RF_BUFFER_HELD;
		frame_put(out++, word, 0);
		bytes += length;
	}
	n->rx.own = own;
	n->count.rx_bytes += bytes;
	n->count.rx_frames += own - first;
	return own - first;
}

/* Takes records of the current driver. *lie set: the next one is no good. */
static unsigned rx_take(struct rf_net *n, struct rf_net_frame *out, unsigned max,
			enum rf_violation *lie)
{
	unsigned given = chain_deliver(n, out, max);
	int      ready = rf_ring_ready(&n->rx);

	if (unlikely(ready < 0)) {
		*lie = RF_LIE_INDEX;
		return given;
	}
	const uint32_t end = n->rx.own + (uint32_t)ready;
	while (n->rx.own != end && given < max && !n->chain_whole && !*lie) {
		if (!n->chain_count)
			given += rx_plain(n, out + given,
					  n->rx.own + min(end - n->rx.own, max - given));
		if (n->rx.own == end || given == max)
			break;
		*lie = rx_next(n);
		given += chain_deliver(n, out + given, max - given);
	}
	return given;
}

/* What dead drivers had received. Whole frames only. */
static unsigned stash_take(struct rf_net *n, struct rf_net_frame *out, unsigned max)
{
	const uint32_t mask = 2 * RF_NET_DEPTH - 1;
	unsigned given = 0;

	while (n->stash_head != n->stash_tail) {
		uint32_t parts = 1;

		while (n->stash[(n->stash_head + parts - 1) & mask].flags & RF_NET_MORE)
			parts++;
		if (parts > max - given)
			break;
		while (parts--)
			out[given++] = n->stash[n->stash_head++ & mask];
	}
	return given;
}

/* After `given` frames: what needs more than a look. */
static __attribute__((noinline)) unsigned rx_rest(struct rf_net *n, struct rf_net_frame *out,
						  unsigned given, unsigned max)
{
	enum rf_violation lie = 0;

	if (n->stash_head != n->stash_tail)
		return stash_take(n, out, max);
	if (!rf_net_alive(n))
		return given;
	given += rx_take(n, out + given, max - given, &lie);
	if (lie)
		rf_net_lied(n, lie);
	if (n->first_io_awaited && given) {
		n->first_io_awaited = false;
		n->stats->log[n->await_generation % RF_STATS_LOG].first_io_ns = rf_now_ns();
	}
	return given;
}

unsigned rf_net_rx(struct rf_net *n, struct rf_net_frame *out, unsigned max)
{
	uint32_t own = n->rx.own, end = n->rx.peer;

	if (unlikely(!rf_net_alive(n) || n->stash_head != n->stash_tail || n->chain_count ||
		     n->first_io_awaited))
		return rx_rest(n, out, 0, max);
	if (own == end) {
		end = atomic_load_explicit(&n->rx.ring->tail, memory_order_acquire);
		if (unlikely(end - own > RF_NET_DEPTH))
			return rx_rest(n, out, 0, max);
		n->rx.peer = end;
	}
	end = own + min(end - own, max);
	unsigned given = rx_plain(n, out, end);
	return likely(n->rx.own == end) ? given : rx_rest(n, out, given, max);
}

uint32_t rf_net_drain(struct rf_net *n, enum rf_violation *lie)
{
	const uint32_t mask = 2 * RF_NET_DEPTH - 1;
	struct rf_net_frame out[RF_NET_PARTS];
	uint32_t drained = 0, got;

	do {
		got = rx_take(n, out, RF_NET_PARTS, lie);
		/* Each record holds a buffer, and there are no more of these. */
		for (uint32_t i = 0; i < got; i++)
			n->stash[n->stash_tail++ & mask] = out[i];
		drained += got;
	} while (got && !*lie);
	rf_net_unchain(n);
	return drained;
}

/* The rest of a frame that never came, or was a lie. */
void rf_net_unchain(struct rf_net *n)
{
	if (!n->chain_count)
		return;
	n->chain_whole = false;
	chain_drop(n);
}

void rf_net_post_other(struct rf_net *n, uint32_t at)
{
	uint32_t area = n->rx_count << n->rx_shift;
	uint32_t i = (at - (area - n->rx_base)) >> n->rx_shift;

	RF_BUG_ON(i >= n->rx_count || n->buffers[n->half ^ 1][i] != RF_BUFFER_HELD);
	n->buffers[n->half ^ 1][i] = RF_BUFFER_FREE;
}

void rf_net_rx_done(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		rf_net_post(n, frames[i].at);
}

/* ---- send ------------------------------------------------------------------------- */

unsigned rf_net_reap(struct rf_net *n)
{
	uint32_t head = atomic_load_explicit(&n->tx_shared->head, memory_order_acquire);
	uint32_t done = n->tx_done, free_count = n->tx_free_count, parts = 0;
	const uint32_t tx_base = n->tx_base;

	if (unlikely(head - done > n->tx_seen - done)) {
		rf_net_lied(n, RF_LIE_INDEX);
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

static inline unsigned tx_room(struct rf_net *n, unsigned want)
{
	uint32_t used = n->tx_own - n->tx_done;

	if (unlikely(!rf_net_alive(n)))
		return 0;
	if (used > REAP_AT || RF_NET_DEPTH - used < want)
		used -= rf_net_reap(n);
	return unlikely(!rf_net_alive(n)) ? 0 : RF_NET_DEPTH - used;
}

unsigned rf_net_tx_room(struct rf_net *n, unsigned want)
{
	return tx_room(n, want);
}

uint32_t rf_net_tx_alloc(struct rf_net *n)
{
	if (!n->tx_free_count && rf_net_alive(n))
		rf_net_reap(n);
	return n->tx_free_count && n->arena_ours ? n->tx_free[--n->tx_free_count] : 0;
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
	return forward_plain(n, frames, min(count, tx_room(n, count)));
}

unsigned rf_net_forward(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	uint32_t used = n->tx_own - n->tx_done;

	if (unlikely(!rf_net_alive(n) || used > REAP_AT || count > RF_NET_DEPTH - REAP_AT))
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

	if (!(fresh_free | fresh_tx) || unlikely(!rf_net_alive(n)))
		return;
	if (fresh_free)
		atomic_store_explicit(&n->free_shared->tail, n->free_seen = n->free_own,
				      memory_order_release);
	if (fresh_tx)
		atomic_store_explicit(&n->tx_shared->tail, n->tx_seen = n->tx_own,
				      memory_order_release);
	/* A successor that is still held back gets no kick: it looks before it sleeps. */
	if (unlikely(n->state != RF_NET_UP))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely((fresh_tx && asleep(n->tx_shared)) ||
		     (fresh_free && asleep(n->free_shared))))
		rf_net_kick(n);
}

bool rf_net_sleep(struct rf_net *n, bool tx)
{
	rf_net_push(n);
	if (n->stash_head != n->stash_tail || n->chain_whole)
		return false;
	if (rf_net_alive(n)) {
		tx = tx && n->tx_own != n->tx_done;
		atomic_store_explicit(&n->chan->tx_wait, tx, memory_order_relaxed);
		rf_ring_arm(&n->rx);
		uint32_t head = atomic_load_explicit(&n->tx_shared->head, memory_order_acquire);
		if (rf_ring_ready(&n->rx) || (tx && head != n->tx_done)) {
			rf_net_wake(n, false);
			return false;
		}
		/* Who sleeps with no interrupt for sent frames must hear that they matter now. */
		if (tx && n->state == RF_NET_UP && asleep(n->tx_shared))
			rf_net_kick(n);
	}
	rf_net_publish(n);
	return true;
}

void rf_net_wake(struct rf_net *n, bool kicked)
{
	uint64_t count;

	if (n->chan) {
		rf_ring_disarm(&n->rx);
		atomic_store_explicit(&n->chan->tx_wait, 0, memory_order_relaxed);
	}
	if (kicked)
		(void)!read(RF_NET_FD(n, RF_EXPORT_FD_KICK), &count, sizeof(count));
}
