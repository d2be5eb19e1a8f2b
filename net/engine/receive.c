/* SPDX-License-Identifier: MIT */
/*
 * receive.c - the path of every frame that comes in.
 *
 * Room:   net/engine, trusted.
 * Trust:  a record is fetched out of the ring once, as two words, and only these are looked
 *         at. A buffer must be one the driver has, the length fit into it, the metadata be
 *         within the frame; the first protocol error ends the use of that driver's rings.
 *         Frames only a peer can have made so (too short, too long) are dropped and counted.
 */
#include <string.h>

#include "frame_words.h"
#include "buffers.h"
#include "net_core.h"

#define KNOWN (RF_NET_MORE | RF_NET_CSUM | RF_NET_CSUM_OK | RF_NET_VLAN)

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

static enum rf_proto_error chain_judge(const struct rf_net *n, const struct rf_net_frame *f)
{
	if (n->chain_count && (f->flags & ~RF_NET_MORE || f->gso))
		return RF_BAD_FRAME;
	if (f->flags & ~KNOWN || f->gso > RF_NET_GSO_TCP6 || n->chain_count == RF_NET_PARTS)
		return RF_BAD_FRAME;
	if (f->flags & RF_NET_CSUM && f->csum_start + f->csum_offset + 2u > f->length)
		return RF_BAD_FRAME;
	if (f->gso &&
	    (!f->gso_size || !(f->flags & RF_NET_CSUM) || !(n->info.features & RF_NET_HAS_RX_GSO)))
		return RF_BAD_FRAME;
	return 0;
}

/* A record of a buffer that is HELD: adds to the chain. Sets chain_whole if that is a frame
 * now. */
static enum rf_proto_error rx_other(struct rf_net *n, uint64_t first, uint64_t second)
{
	struct rf_net_frame f;

	memcpy(&f, &first, 8);
	memcpy((char *)&f + 8, &second, 8);
	if (!f.length && !n->chain_count && !(f.flags & RF_NET_MORE)) {
		rf_net_post(n, f.at); /* given back empty */
		return 0;
	}
	enum rf_proto_error bad = chain_judge(n, &f);
	if (bad)
		return bad;
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
static enum rf_proto_error rx_next(struct rf_net *n)
{
	const volatile word_t *record = rx_record(n, n->rx.own);
	uint64_t first = record[0], second = record[1];
	uint32_t i = rf_net_index(n, (uint32_t)first);

	if (i >= n->rx_count || n->buffer[i] != RF_BUFFER_POSTED)
		return RF_BAD_BUFFER;
	if (WORD_LENGTH(first) > n->rx_buffer)
		return RF_BAD_FRAME;
	n->rx.own++;
	n->buffer[i] = RF_BUFFER_HELD;
	enum rf_proto_error bad = rx_other(n, first, second);
	if (bad)
		n->buffer[i] = RF_BUFFER_POSTED;
	return bad;
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

/* Takes records of the current driver. *bad set: the next one is no good. */
static unsigned rx_take(struct rf_net *n, struct rf_net_frame *out, unsigned max,
			enum rf_proto_error *bad)
{
	unsigned given = chain_deliver(n, out, max);
	int      ready = rf_ring_ready(&n->rx);

	if (unlikely(ready < 0)) {
		*bad = RF_BAD_INDEX;
		return given;
	}
	const uint32_t end = n->rx.own + (uint32_t)ready;
	while (n->rx.own != end && given < max && !n->chain_whole && !*bad) {
		if (!n->chain_count)
			given += rx_plain(n, out + given,
					  n->rx.own + frame_min(end - n->rx.own, max - given));
		if (n->rx.own == end || given == max)
			break;
		*bad = rx_next(n);
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
	enum rf_proto_error bad = 0;

	if (n->stash_head != n->stash_tail)
		return stash_take(n, out, max);
	if (!rf_session_alive(&n->session))
		return given;
	given += rx_take(n, out + given, max - given, &bad);
	if (bad)
		rf_session_proto_error(&n->session, bad);
	if (n->session.awaiting && given)
		rf_session_first_io(&n->session);
	return given;
}

unsigned rf_net_rx(struct rf_net *n, struct rf_net_frame *out, unsigned max)
{
	uint32_t own = n->rx.own, end = n->rx.peer;

	if (unlikely(!rf_session_alive(&n->session) || n->stash_head != n->stash_tail ||
		     n->chain_count || n->session.awaiting))
		return rx_rest(n, out, 0, max);
	if (own == end) {
		end = atomic_load_explicit(&n->rx.ring->tail, memory_order_acquire);
		if (unlikely(end - own > RF_NET_DEPTH))
			return rx_rest(n, out, 0, max);
		n->rx.peer = end;
	}
	end = own + frame_min(end - own, max);
	unsigned given = rx_plain(n, out, end);
	return likely(n->rx.own == end) ? given : rx_rest(n, out, given, max);
}

uint32_t rf_net_drain(struct rf_net *n, enum rf_proto_error *bad)
{
	const uint32_t mask = 2 * RF_NET_DEPTH - 1;
	struct rf_net_frame out[RF_NET_PARTS];
	uint32_t drained = 0, got;

	do {
		got = rx_take(n, out, RF_NET_PARTS, bad);
		/* Each record holds a buffer, and there are no more of these. */
		for (uint32_t i = 0; i < got; i++)
			n->stash[n->stash_tail++ & mask] = out[i];
		drained += got;
	} while (got && !*bad);
	return drained;
}

/* The rest of a frame that never came, or was a protocol error. */
void rf_net_unchain(struct rf_net *n)
{
	if (!n->chain_count)
		return;
	n->chain_whole = false;
	chain_drop(n);
}

void rf_net_rx_done(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		rf_net_post(n, frames[i].at);
}
