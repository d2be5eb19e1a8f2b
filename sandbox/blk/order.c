/* SPDX-License-Identifier: MIT */
/* order.c - see order.h. Room: sandbox/blk, trusted. */
#include "order.h"

#include "log.h"

/* False: surely no pending write touches these extents. */
static bool filter_hit(const struct rf_order *h, uint64_t start, uint64_t end)
{
	uint64_t extent = start >> RF_ORDER_SHIFT, last = (end - 1) >> RF_ORDER_SHIFT;

	if (h->wide || last - extent >= RF_ORDER_WIDE)
		return true;
	do
		if (h->filter[rf_order_hash(extent)])
			return true;
	while (++extent <= last);
	return false;
}

static void filter_count(struct rf_order *h, uint64_t start, uint64_t end, int by)
{
	uint64_t extent = start >> RF_ORDER_SHIFT, last = (end - 1) >> RF_ORDER_SHIFT;

	if (last - extent >= RF_ORDER_WIDE) {
		h->wide += (uint32_t)by;
		return;
	}
	do
		h->filter[rf_order_hash(extent)] += (uint16_t)by;
	while (++extent <= last);
}

static bool list_conflict(const struct rf_order *h, uint64_t start, uint64_t end, uint64_t seq)
{
	for (uint32_t i = 0; i < h->writers; i++) {
		const struct rf_writer *w = &h->list[i];

		if (w->start < end && start < w->end && w->seq < seq)
			return true;
	}
	return false;
}

bool rf_order_conflict(const struct rf_order *h, uint64_t start, uint64_t end, uint64_t seq)
{
	return h->writers && filter_hit(h, start, end) && list_conflict(h, start, end, seq);
}

void rf_order_add(struct rf_order *h, uint32_t owner, uint64_t start, uint64_t end, uint64_t seq)
{
	RF_BUG_ON(h->writers == RF_ORDER_OWNERS);
	h->where[owner] = (uint16_t)h->writers;
	h->list[h->writers++] = (struct rf_writer){ start, end, seq, owner };
	filter_count(h, start, end, 1);
}

void rf_order_move(struct rf_order *h, uint32_t from, uint32_t to)
{
	uint16_t at = h->where[from];

	RF_BUG_ON(at >= h->writers || h->list[at].owner != from);
	h->list[at].owner = to;
	h->where[to] = at;
}

void rf_order_remove(struct rf_order *h, uint32_t owner)
{
	uint16_t at = h->where[owner];

	RF_BUG_ON(at >= h->writers || h->list[at].owner != owner);
	struct rf_writer gone = h->list[at];
	h->list[at] = h->list[--h->writers];
	h->where[h->list[at].owner] = at;
	filter_count(h, gone.start, gone.end, -1);

	for (uint64_t left = h->held; left; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(left);
		const struct rf_io *io = h->slot[i].io;
		uint64_t end = io->offset + io->length;

		if (gone.start >= end || io->offset >= gone.end ||
		    list_conflict(h, io->offset, end, h->slot[i].seq))
			continue;
		h->held &= ~(1ull << i);
		h->ready |= 1ull << i;
	}
}

bool rf_order_defer(struct rf_order *h, struct rf_io *io, uint64_t seq)
{
	uint64_t taken = h->held | h->ready;

	if (!~taken)
		return false;
	uint32_t i = (uint32_t)__builtin_ctzll(~taken);
	h->held |= 1ull << i;
	h->slot[i] = (struct rf_deferred){ io, seq };
	if (rf_op_writes(io->op))
		rf_order_add(h, RF_ORDER_HELD + i, io->offset, io->offset + io->length, seq);
	return true;
}
