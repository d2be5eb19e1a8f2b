/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ring.c - the block service against a driver that writes anything into its rings,
 * dies at any moment, and a device process that tells the steps of recovery in order.
 *
 * Room:   tests/fuzz. Input: a program of one-byte steps with operands.
 * Judged: every request ends at most once; after the device is gone, every one has; the
 *         sanitizers see the rest.
 */
#define ARENA (256u << 10) /* little to map anew for each input */
#include "tests/unit/blk_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKS 64

struct program {
	const uint8_t *at, *end;
};

static uint32_t take(struct program *p, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | (p->at < p->end ? *p->at++ : 0);
	return value;
}

static struct ask asks[ASKS];

static void request(struct served *t, struct program *p)
{
	static const uint8_t ops[] = { RF_BLK_READ,    RF_BLK_WRITE, RF_BLK_FLUSH,
				       RF_BLK_DISCARD, RF_BLK_ZERO,  9 };
	struct ask *a = &asks[take(p, 1) % ASKS];

	/* Still the service's. */
	if (a->io.done && !a->done)
		return;
	if (ask(t, a, ops[take(p, 1) % sizeof(ops)], take(p, 1) * 512ull, take(p, 1) * 512))
		a->done = 1;
}

static void scribble(struct served *t, struct program *p)
{
	unsigned char *chan = t->rig.rings + (p->at < p->end && *p->at & 1) * RF_BLK_CHAN_BYTES;
	uint32_t at = take(p, 2) * 4 % RF_BLK_CHAN_BYTES;
	uint32_t value = take(p, 4);

	memcpy(chan + at, &value, 4);
}

/* An answer that is nearly right: to some request that was really asked. */
static void answer(struct served *t, struct program *p)
{
	struct rf_blk_req req;
	uint32_t how = take(p, 1);

	rf_blk_push(t->s);
	/* The driver's own view may be nonsense after a scribble: it is a liar. */
	if (rf_ring_ready(&t->ram.req) <= 0)
		return;
	rf_ring_take(&t->ram.req, &req, sizeof(req));
	rf_ring_release(&t->ram.req);
	ram_say(&t->ram, req.tag ^ (how & 1 ? take(p, 4) : 0),
		t->ram.generation - (how & 2 ? 1 : 0), how & 4 ? -(int32_t)take(p, 1) : 0);
	if (how & 8)
		ram_say(&t->ram, req.tag, t->ram.generation, 0);
}

static void die(struct served *t, struct program *p)
{
	struct rf_svc_msg msg;

	rig_down(&t->rig);
	if (rf_blk_control(t->s))
		abort();
	while (rig_hear(&t->rig, &msg, 0))
		;
	ram_attach(&t->ram, &t->rig);
	rig_quiesced(&t->rig, take(p, 1) & 1);
	rig_send(&t->rig, RF_SVC_UP, 0);
	if (rf_blk_control(t->s))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program p = { data, data + size };
	struct served *t = served_new(0);
	struct rf_svc_msg msg;

	memset(asks, 0, sizeof(asks));
	for (int steps = 0; p.at < p.end && steps < 400; steps++) {
		switch (take(&p, 1) % 8) {
		case 0: case 1: request(t, &p); break;
		case 2: case 3: answer(t, &p); break;
		case 4: scribble(t, &p); break;
		case 5: rf_blk_poll(t->s); break;
		case 6: die(t, &p); break;
		case 7:
			rf_blk_wake(t->s, rf_blk_sleep(t->s) && false);
			rf_blk_tick(t->s);
			break;
		}
		while (rig_hear(&t->rig, &msg, 0))
			;
	}
	rig_send(&t->rig, RF_SVC_GONE, 0);
	if (rf_blk_control(t->s))
		abort();
	for (int i = 0; i < ASKS; i++)
		if (asks[i].io.done && asks[i].done != 1)
			abort();
	served_free(t);
	return 0;
}
