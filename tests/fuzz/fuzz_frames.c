/* SPDX-License-Identifier: MIT */
/*
 * fuzz_frames.c - the network service against a driver that writes anything into its rings,
 * dies at any moment, and a device process that tells the steps of recovery in order.
 *
 * Room:   tests/fuzz. Input: a program of one-byte steps with operands.
 * Judged: a frame lies in one receive buffer of a generation, wholly, that is not already here;
 *         a buffer to send with is nobody else's; counters add up. The sanitizers see the rest.
 */
#include "tests/unit/net_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) ((x) ? (void)0 : abort())
#define HELD 8u

struct program {
	const uint8_t *at, *end;
};

static struct rf_net_frame held[RF_NET_PARTS]; /* received, not yet given back */
static unsigned held_count;
static uint8_t  here[2 * BUFFERS];
static uint32_t ours[HELD];                    /* to send with */
static unsigned our_count;

static uint32_t take(struct program *p, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | (p->at < p->end ? *p->at++ : 0);
	return value;
}

static unsigned buffer_of(const struct netted *t, const struct rf_net_frame *f)
{
	uint64_t at = (uint64_t)f->at * RF_NET_UNIT, bytes = t->rig.net.rx_buffer;

	MUST(at % bytes == 0 && at / bytes < 2 * BUFFERS && f->length <= bytes);
	return (unsigned)(at / bytes);
}

static void receive(struct netted *t)
{
	bool more = false;

	for (unsigned i = 0; i < held_count; i++)
		here[buffer_of(t, &held[i])] = 0;
	rf_net_rx_done(t->n, held, held_count);
	held_count = rf_net_rx(t->n, held, RF_NET_PARTS);
	MUST(held_count <= RF_NET_PARTS);
	for (unsigned i = 0; i < held_count; i++) {
		const struct rf_net_frame *f = &held[i];
		unsigned b = buffer_of(t, f);

		MUST(!here[b]);
		here[b] = 1;
		MUST(!more || !(f->flags & ~RF_NET_MORE || f->gso));
		MUST(!(f->flags & RF_NET_CSUM) || f->csum_start + f->csum_offset + 2u <= f->length);
		MUST(f->gso <= RF_NET_GSO_TCP6);
		more = f->flags & RF_NET_MORE;
	}
	MUST(!more); /* whole frames only */
}

static void say_some(struct netted *t, struct program *p)
{
	struct rf_net_frame f = { .length = (uint16_t)take(p, 2) };

	if (our_count < HELD && (ours[our_count] = rf_net_tx_alloc(t->n))) {
		for (unsigned i = 0; i < our_count; i++)
			MUST(ours[i] != ours[our_count]);
		our_count++;
	}
	if (!our_count || !rf_net_tx_room(t->n, 1))
		return;
	f.at = ours[our_count - 1];
	f.flags = (uint8_t)take(p, 1) & (RF_NET_CSUM | RF_NET_VLAN);
	f.csum_start = (uint8_t)take(p, 1);
	f.csum_offset = (uint8_t)take(p, 1);
	if (!rf_net_tx(t->n, &f))
		our_count--;
}

/* The next record: nearly right, or anything. */
static void record(struct netted *t, struct program *p)
{
	struct rf_ring *ring = ring_of(t->chan->rx_free.bytes);
	uint32_t how = take(p, 1), given = atomic_load(&ring->tail) - t->free_own;
	struct rf_net_frame f = { .length = (uint16_t)(how & 1 ? take(p, 2) : 60) };

	if (given - 1 < RF_NET_DEPTH)
		f.at = ((uint32_t *)ring->records)[SLOT(t->free_own++)];
	if (how & 2)
		f.at = take(p, 4);
	if (how & 4) {
		f.flags = (uint8_t)take(p, 1);
		f.gso = (uint8_t)take(p, 1);
		f.gso_size = (uint16_t)take(p, 2);
		f.csum_start = (uint8_t)take(p, 1);
		f.csum_offset = (uint8_t)take(p, 1);
	}
	driver_put(t, f);
	if (!(how & 8))
		driver_publish(t);
}

static void scribble(struct netted *t, struct program *p)
{
	uint32_t at = take(p, 2) * 4 % RF_NET_CHAN_BYTES, value = take(p, 4);

	memcpy((char *)t->chan + at, &value, 4);
}

static void sent(struct netted *t, struct program *p)
{
	struct rf_ring *ring = ring_of(t->chan->tx.bytes);

	atomic_store(&ring->head, atomic_load(&ring->tail) - take(p, 1) % 4);
}

static void hear(struct netted *t)
{
	struct rf_svc_msg msg;

	while (rig_hear(&t->rig, &msg, 0))
		;
}

static void die(struct netted *t, struct program *p)
{
	uint32_t how = take(p, 1);

	rig_down(&t->rig);
	MUST(!rf_net_control(t->n));
	hear(t);
	if (how & 1)
		receive(t); /* what the dead one had received */
	driver_attach(t);
	rig_quiesced(&t->rig, 0);
	rig_send(&t->rig, RF_SVC_UP, 0);
	MUST(!rf_net_control(t->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program p = { data, data + size };
	struct netted *t = netted_new(take(&p, 1));

	held_count = our_count = 0;
	memset(here, 0, sizeof(here));
	for (int steps = 0; p.at < p.end && steps < 400; steps++) {
		switch (take(&p, 1) % 10) {
		case 0: case 1: case 2: record(t, &p); break;
		case 3: case 4: receive(t); break;
		case 5: say_some(t, &p); break;
		case 6: sent(t, &p); break;
		case 7: scribble(t, &p); break;
		case 8: die(t, &p); break;
		case 9:
			rf_net_wake(t->n, rf_net_sleep(t->n, true) && false);
			rf_net_tick(t->n);
			break;
		}
		rf_net_push(t->n);
		hear(t);
	}
	MUST(t->n->count.tx_done <= t->n->count.tx_frames);
	netted_free(t);
	return 0;
}
