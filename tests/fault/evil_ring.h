/* SPDX-License-Identifier: MIT */
/*
 * evil_ring.h - the part of a block driver that lies: takes requests as an honest one
 * does, and answers what it likes.
 *
 * Room:   tests/fault, hostile.
 */
#ifndef EVIL_RING_H
#define EVIL_RING_H

#include "evil.h"

struct evil_ring {
	struct rf_blk_chan *chan;
	struct rf_ring_end  req, resp;
};

EVIL_INLINE void evil_attach(struct evil_ring *r, const struct rf_boot *boot)
{
	r->chan = (struct rf_blk_chan *)(uintptr_t)boot->queue[0].chan;
	rf_ring_attach(&r->req, r->chan->req.bytes, RF_BLK_DEPTH);
	rf_ring_attach(&r->resp, r->chan->resp.bytes, RF_BLK_DEPTH);
	evil_begin(boot);
}

/* The next request; spins until there is one. */
EVIL_INLINE struct rf_blk_req evil_take(struct evil_ring *r)
{
	struct rf_blk_req req;

	while (rf_ring_ready(&r->req) <= 0)
		rf_pause();
	rf_ring_take(&r->req, &req, sizeof(req));
	rf_ring_release(&r->req);
	return req;
}

EVIL_INLINE void evil_put(struct evil_ring *r, uint32_t tag, uint32_t generation, int32_t status)
{
	struct rf_blk_resp resp = { .tag = tag, .generation = generation, .status = status };

	rf_ring_put(&r->resp, &resp, sizeof(resp));
}

EVIL_INLINE void evil_publish(struct evil_ring *r)
{
	rf_ring_publish(&r->resp);
	rf_kick();
}

EVIL_INLINE void evil_answer(struct evil_ring *r, const struct rf_blk_req *req)
{
	evil_put(r, req->tag, req->generation, 0);
	evil_publish(r);
}

/* An honest end: so that what the lie did can be seen. */
EVIL_INLINE _Noreturn void evil_serve(struct evil_ring *r)
{
	for (;;) {
		struct rf_blk_req req = evil_take(r);

		evil_answer(r, &req);
	}
}

#endif
