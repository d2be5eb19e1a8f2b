/* SPDX-License-Identifier: MIT */
/*
 * loop_net.c - an interface whose cable leads back into itself: what is sent is received.
 *
 * Room:   drivers, untrusted. The template to copy: see README.md beside it.
 * Device: none. Two lists in memory stand for the descriptor rings of a real one.
 * Policy: the data arena is mapped, since no device moves the payload.
 */
#include "rt_net.h"

struct loop_net {
	unsigned char      *arena;             /* payload, as this process sees it */
	uint32_t            buffer;            /* bytes of a receive buffer */
	/* free-running: to be handed out <= to be filled <= end */
	uint32_t            head, fill, tail;
	uint64_t            dropped;           /* nobody had given a buffer for it */
	uint32_t            sent;              /* records not yet reported by reap() */
	struct rf_net_frame rx[RF_NET_DEPTH];  /* receive descriptors */
};

static unsigned loop_start(void *dev, const struct rf_boot *boot)
{
	struct loop_net *l = dev;

	if (!boot->arena || !boot->net.rx_buffer)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	l->arena = (unsigned char *)(uintptr_t)boot->arena;
	l->buffer = boot->net.rx_buffer;
	return RF_NET_DEPTH;
}

static void loop_refill(void *dev, const uint32_t *free, uint32_t at, unsigned n)
{
	struct loop_net *l = dev;

	for (unsigned i = 0; i < n; i++)
		RF_NET_SLOT(l->rx, l->tail + i)->at = *RF_NET_SLOT(free, at + i);
	l->tail += n;
}

static unsigned loop_receive(void *dev, struct rf_net_frame *rx, uint32_t at)
{
	struct loop_net *l = dev;
	uint32_t head = l->head, n = l->fill - head;

	if (n > RF_NET_BATCH)
		n = RF_NET_BATCH;
	for (uint32_t i = 0; i < n; i++)
		*RF_NET_SLOT(rx, at + i) = *RF_NET_SLOT(l->rx, head + i);
	l->head = head + n;
	return n;
}

/* One record of a frame into as many receive buffers as it takes. */
static void loop_copy(struct loop_net *l, const struct rf_net_frame *tx)
{
	const unsigned char *from = l->arena + (uint64_t)tx->at * RF_NET_UNIT;
	uint32_t left = tx->length;
	struct rf_net_frame meta = *tx;

	while (left) {
		struct rf_net_frame *rx = RF_NET_SLOT(l->rx, l->fill++);
		uint32_t part = left < l->buffer ? left : l->buffer;

		memcpy(l->arena + (uint64_t)rx->at * RF_NET_UNIT, from, part);
		left -= part;
		from += part;
		meta.at = rx->at;
		meta.length = (uint16_t)part;
		meta.flags = (uint8_t)((meta.flags & ~RF_NET_MORE) | (left ? RF_NET_MORE : 0) |
				       (tx->flags & RF_NET_MORE));
		*rx = meta;
		meta = (struct rf_net_frame){ 0 }; /* net.h: only the first has metadata */
	}
}

/* Records of the frame that begins at `at`, or 0 if it is not all there. */
static unsigned loop_frame(const struct loop_net *l, const struct rf_net_frame *tx, uint32_t at,
			   unsigned n, uint32_t *buffers)
{
	*buffers = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct rf_net_frame *t = RF_NET_SLOT(tx, at + i);

		*buffers += (t->length + l->buffer - 1) / l->buffer;
		if (!(t->flags & RF_NET_MORE))
			return i + 1;
	}
	return 0;
}

static unsigned loop_send(void *dev, const struct rf_net_frame *tx, uint32_t at, unsigned n)
{
	struct loop_net *l = dev;
	unsigned done = 0, records;
	uint32_t buffers;

	while ((records = loop_frame(l, tx, at + done, n - done, &buffers))) {
		if (buffers > l->tail - l->fill)
			l->dropped++; /* as a NIC does with a frame it has no place for */
		else
			for (unsigned i = 0; i < records; i++)
				loop_copy(l, RF_NET_SLOT(tx, at + done + i));
		done += records;
	}
	l->sent += done;
	return done;
}

static unsigned loop_reap(void *dev, unsigned under_way)
{
	struct loop_net *l = dev;
	unsigned n = l->sent;

	(void)under_way;
	l->sent = 0;
	return n;
}

static bool loop_pending(void *dev, bool tx)
{
	struct loop_net *l = dev;

	return l->head != l->fill || (tx && l->sent);
}

static enum rf_net_link loop_link(void *dev, uint64_t *dropped)
{
	struct loop_net *l = dev;

	*dropped = l->dropped;
	return RF_NET_LINK_UP;
}

static const struct rf_net_driver loop_driver = {
	.start = loop_start,
	.refill = loop_refill,
	.receive = loop_receive,
	.send = loop_send,
	.reap = loop_reap,
	.pending = loop_pending,
	.link = loop_link,
};

RF_NET_DRIVER(loop_driver, struct loop_net)
