/* SPDX-License-Identifier: MIT */
/*
 * net_fixture.h - the net service inside a test, with the test as driver.
 *
 * Room:   tests/unit. Includes the service's sources, so that a test sees inside.
 */
#ifndef RF_TEST_NETTED_H
#define RF_TEST_NETTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/clock.c"
#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"
#include "sandbox/session/driver.c"
#include "sandbox/session/steps.c"
#include "sandbox/session/inherited.c"
#include "sandbox/session/open.c"
#include "sandbox/session/session.c"
#include "net/engine/ages.c"
#include "net/engine/info.c"
#include "net/engine/open.c"
#include "net/engine/buffers.c"
#include "net/engine/receive.c"
#include "net/engine/recover.c"
#include "net/engine/send.c"
#include "net/engine/stats.c"
#include "net/engine/sum.c"

#include "rig.h"

#define ARENA   (2u << 20)
#define BUFFERS 64u
#define SLOT(i) ((i) & (RF_NET_DEPTH - 1))

struct netted {
	struct rig          rig;
	struct rf_net      *n;
	/* the driver's end */
	struct rf_net_chan *chan;
	uint32_t            free_own, rx_own, tx_own;
};

static inline struct rf_ring *ring_of(void *bytes)
{
	return bytes;
}

static inline void driver_attach(struct netted *t)
{
	t->chan = (void *)(t->rig.rings + t->rig.half * RF_NET_CHAN_BYTES);
	t->free_own = t->rx_own = t->tx_own = 0;
}

/* The next empty buffer, which must be there. */
static inline uint32_t driver_buffer(struct netted *t)
{
	struct rf_ring *ring = ring_of(t->chan->rx_free.bytes);

	assert_true(atomic_load(&ring->tail) - t->free_own - 1 < RF_NET_DEPTH);
	return ((uint32_t *)ring->records)[SLOT(t->free_own++)];
}

static inline uint32_t driver_buffers(struct netted *t)
{
	return atomic_load(&ring_of(t->chan->rx_free.bytes)->tail) - t->free_own;
}

static inline void driver_put(struct netted *t, struct rf_net_frame f)
{
	((struct rf_net_frame *)(void *)ring_of(t->chan->rx.bytes)->records)[SLOT(t->rx_own++)] = f;
}

static inline void driver_publish(struct netted *t)
{
	atomic_store(&ring_of(t->chan->rx.bytes)->tail, t->rx_own);
}

/* Receives one plain frame into the next buffer. */
static inline uint32_t driver_receive(struct netted *t, uint16_t length)
{
	uint32_t at = driver_buffer(t);

	driver_put(t, (struct rf_net_frame){ .at = at, .length = length });
	driver_publish(t);
	return at;
}

static inline bool driver_take(struct netted *t, struct rf_net_frame *f)
{
	struct rf_ring *ring = ring_of(t->chan->tx.bytes);

	if (atomic_load(&ring->tail) == t->tx_own)
		return false;
	*f = ((struct rf_net_frame *)(void *)ring->records)[SLOT(t->tx_own++)];
	return true;
}

/* Reports everything taken as sent. */
static inline void driver_sent(struct netted *t)
{
	atomic_store(&ring_of(t->chan->tx.bytes)->head, t->tx_own);
}

/* ---- the export's end ------------------------------------------------------------- */

/* Receives what is there, gives the buffers back. Records. */
static inline unsigned drink(struct netted *t)
{
	struct rf_net_frame f[RF_NET_PARTS];
	unsigned n = rf_net_rx(t->n, f, RF_NET_PARTS);

	rf_net_rx_done(t->n, f, n);
	rf_net_push(t->n);
	return n;
}

/* Sends one frame of its own; fails the test if it is not taken. */
static inline uint32_t say(struct netted *t, uint16_t length)
{
	assert_true(rf_net_tx_room(t->n, 1) > 0);
	uint32_t at = rf_net_tx_alloc(t->n);
	assert_true(at != 0);
	assert_int_equal(rf_net_tx(t->n, &(struct rf_net_frame){ .at = at, .length = length }), 0);
	rf_net_push(t->n);
	return at;
}

static inline void netted_up(struct netted *t)
{
	rig_send(&t->rig, RF_SVC_UP, 0);
	assert_int_equal(rf_net_control(t->n), 0);
}

/* The driver dies; its successor is prepared, but not let go. */
static inline void netted_down(struct netted *t)
{
	struct rf_svc_msg msg;

	rig_down(&t->rig);
	assert_int_equal(rf_net_control(t->n), 0);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, t->rig.generation);
	driver_attach(t);
}

static inline void netted_quiesced(struct netted *t)
{
	rig_quiesced(&t->rig, 0);
	assert_int_equal(rf_net_control(t->n), 0);
}

/* Driver and device process die. The successor of the latter knows the interface, but not the
 * halves of its predecessor; the driver it starts is prepared, but not let go. */
static inline void netted_revived(struct netted *t, uint32_t half)
{
	rig_send(&t->rig, RF_SVC_INFO, 0);
	t->rig.generation += 2;
	t->rig.half = half ^ 1;
	netted_down(t);
	netted_quiesced(t);
}

static inline void netted_cycle(struct netted *t)
{
	netted_down(t);
	netted_quiesced(t);
	netted_up(t);
}

static inline struct rf_net_info netted_info(uint32_t features)
{
	return (struct rf_net_info){
		.mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .features = features, .rx_buffer = 2048,
		.rx_count = BUFFERS, .link = RF_NET_LINK_UP,
		.tx_max = features & (RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6) ? 65535 : 1518,
	};
}

/* A service whose first driver runs. */
static inline struct netted *netted_new(uint32_t features)
{
	struct netted *t = calloc(1, sizeof(*t));

	rig_open(&t->rig, ARENA);
	t->rig.config->service = RF_SERVICE_NET;
	t->rig.net = netted_info(features);
	rig_install(&t->rig);
	assert_int_equal(rf_net_open(&t->n), 0);
	rig_first_up(&t->rig);
	assert_int_equal(rf_net_control(t->n), 0);
	driver_attach(t);
	return t;
}

static inline void netted_free(struct netted *t)
{
	munmap(t->n->session.data, ARENA);
	munmap(t->n->session.rings, 2 * RF_NET_CHAN_BYTES);
	munmap(t->n->session.stats, RF_STATS_BYTES);
	free(t->n);
	rig_close(&t->rig);
	free(t);
}

/* What the service says of a driver that broke the protocol; fails if it says nothing. */
static inline uint32_t netted_proto_error(struct netted *t)
{
	struct rf_svc_msg msg;

	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PROTO_ERROR);
	assert_int_equal(msg.generation, t->rig.generation);
	return msg.value;
}

static inline void netted_no_proto_error(struct netted *t)
{
	struct rf_svc_msg msg;

	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	assert_int_equal(t->n->session.count.violations, 0);
}

/* tx_frames = tx_done + lost_tx + under way, always. */
static inline void books_balance(struct netted *t, uint32_t under_way)
{
	const struct rf_net_count *c = &t->n->count;

	assert_int_equal(c->tx_frames, c->tx_done + c->lost_tx + under_way);
}

#endif
