/* SPDX-License-Identifier: MIT */
/*
 * service.c - the path of every request: submit, ring, response.
 *
 * Room:   sandbox/blk, trusted.
 * Trust:  a response is copied out of the ring once and only the copy is looked at.
 *         Generation, tag and status are checked before anything is done with it; the
 *         first protocol error ends the use of that driver's ring.
 * Space:  the request ring needs no check for room, and the driver's index of it is
 *         never read: at most RF_BLK_DEPTH requests are unanswered, an answered one
 *         was taken out before, so a slot is always free.
 */
#include <errno.h>

#include "core.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NO_OWNER    ~0u
#define ALONE_AFTER 2u /* reissues */

/* What a request says to the driver is in rf_io and rf_blk_req in the same order. */
_Static_assert(offsetof(struct rf_blk_req, op) == 8 && offsetof(struct rf_io, op) == 0 &&
		       offsetof(struct rf_blk_req, length) == offsetof(struct rf_io, length) + 8 &&
		       offsetof(struct rf_blk_req, offset) == offsetof(struct rf_io, offset) + 8 &&
		       offsetof(struct rf_blk_req, arena) == offsetof(struct rf_io, arena) + 8,
	       "entry_issue() relies on it");

typedef uint64_t __attribute__((may_alias)) word_t;

static inline void words_put(void *at, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	/* Or the compiler packs pairs, which costs more than it saves. */
	volatile word_t *word = at;

	word[0] = a;
	word[1] = b;
	word[2] = c;
	word[3] = d;
}
_Static_assert(sizeof(struct rf_blk_req) == 32, "words_put() writes one");

/* Table entry and ring slot are both written from registers: reading the one back for
 * the other would wait for the store buffer. `what`: op, flags, length. */
static inline void entry_put(struct rf_blk_queue *q, struct rf_table_entry *e, uint64_t what,
			     uint64_t offset, uint64_t arena)
{
	uint32_t tag = e->next_tag + RF_TAG_NEXT_SERIAL;
	uint64_t head = tag | (uint64_t)q->session.generation << 32;
	uint32_t slot = q->req.own++ & (RF_BLK_DEPTH - 1);

	e->next_tag = tag;
	words_put(&e->req, head, what, offset, arena);
	words_put(q->req.ring->records + (size_t)slot * sizeof(e->req), head, what, offset, arena);
	q->dirty = 1;
	__asm__ volatile("" : : : "memory"); /* table.h: state is written last */
	e->state = RF_ENTRY_FLIGHT;
}

/* A request that makes others wait is known to the order from here on. */
static void issue_change(struct rf_blk_queue *q, struct rf_table_entry *e, uint32_t owner)
{
	struct rf_blk *s = q->disk;
	uint32_t index = (uint32_t)(e - s->table->entry);

	if (e->req.op == RF_BLK_FLUSH) {
		q->covers[e - q->entry] = s->acked;
		if (s->flush_fails && !rf_entry_io(e)->internal) {
			e->mark |= RF_MARK_LOST;
			s->flush_fails--;
		}
	} else if (owner == NO_OWNER) {
		s->gate |= RF_GATE_WRITES;
		rf_order_add(&s->order, index, e->req.offset, e->req.offset + e->req.length,
			     e->seq);
	} else {
		rf_order_move(&s->order, owner, index);
	}
}

static inline struct rf_table_entry *entry_issue(struct rf_blk_queue *q, struct rf_io *io,
						 uint64_t seq)
{
	struct rf_table_entry *e = q->free[--q->free_count];
	uint64_t what;

	memcpy(&what, &io->op, 8);
	e->seq = seq;
	e->io = (uint64_t)(uintptr_t)io;
	entry_put(q, e, what, io->offset, io->arena);
	return e;
}

static void issue(struct rf_blk_queue *q, struct rf_io *io, uint64_t seq, uint32_t owner)
{
	struct rf_table_entry *e = entry_issue(q, io, seq);

	if (io->op != RF_BLK_READ)
		issue_change(q, e, owner);
}

/* What a finished change or flush means for later requests; the final status. */
static int finish_change(struct rf_blk_queue *q, struct rf_table_entry *e, int status)
{
	struct rf_blk *s = q->disk;
	uint64_t covers = q->covers[e - q->entry];

	if (e->req.op == RF_BLK_FLUSH) {
		if (e->mark & RF_MARK_LOST) {
			s->table->head.loss_pending = s->flush_fails != 0;
			return status ? status : -EIO;
		}
		if (!status && covers > s->flushed)
			s->flushed = covers;
		s->table->head.unflushed = s->acked != s->flushed;
		return status;
	}
	rf_order_remove(&s->order, (uint32_t)(e - s->table->entry));
	if (s->order.ready)
		s->gate |= RF_GATE_QUEUE;
	if (!s->order.writers)
		s->gate &= ~RF_GATE_WRITES;
	/* Without a volatile cache every write is on stable media. A filter's own are nobody's. */
	if (!status && !(e->req.flags & RF_BLK_FUA) && s->info.features & RF_BLK_HAS_FLUSH &&
	    !rf_entry_io(e)->internal) {
		s->acked++;
		s->table->head.unflushed = 1;
	}
	if (e->req.op == RF_BLK_WRITE)
		s->count.bytes_written += e->req.length;
	else
		s->slow_done++;
	return status;
}

static inline void entry_finish(struct rf_blk_queue *q, struct rf_table_entry *e, int status)
{
	struct rf_io *io = rf_entry_io(e);

	if (likely(e->req.op == RF_BLK_READ))
		q->count.bytes_read += e->req.length;
	else
		status = finish_change(q, e, status);
	e->state = RF_ENTRY_FREE;
	e->mark = 0;
	e->attempts = 0;
	e->req.tag = 0;
	q->free[q->free_count++] = e;
	q->count.completed++;
	if (unlikely(status))
		q->disk->count.failed++;
	io->done(io, status);
}

void rf_entry_finish(struct rf_blk_queue *q, uint32_t index, int status)
{
	entry_finish(q, &q->entry[index], status);
}

/* Looks at the copy of a response. 0: it answers entry RF_TAG_INDEX(r->tag). */
static inline enum rf_proto_error judge(const struct rf_blk_queue *q, const struct rf_blk_resp *r)
{
	uint32_t index = RF_TAG_INDEX(r->tag);

	if (unlikely(r->generation != q->session.generation))
		return RF_BAD_GENERATION;
	if (unlikely(index >= RF_BLK_DEPTH || q->entry[index].req.tag != r->tag))
		return RF_BAD_TAG;
	if (unlikely(r->status && !rf_blk_status_valid(r->status)))
		return RF_BAD_STATUS;
	return 0;
}

/* The answer to a request that is like no other. */
static __attribute__((noinline)) void look_at(struct rf_blk_queue *q,
					      const struct rf_table_entry *e)
{
	if (e->mark & RF_MARK_DIED && q->session.awaiting)
		rf_session_first_io(&q->session);
	if (e->mark & RF_MARK_TIMED)
		rf_latency_end(&q->disk->latency, rf_entry_io(e),
			       q->disk->queue[0].session.stats->latency);
}

int rf_blk_take(struct rf_blk_queue *q, enum rf_proto_error *bad)
{
	struct rf_ring_end end = q->resp; /* done() cannot reach it: it stays in registers */
	int ready = rf_ring_ready(&end), taken = 0;
	enum rf_proto_error found = 0;

	if (unlikely(ready < 0))
		*bad = RF_BAD_INDEX;
	if (ready <= 0)
		return 0;
	for (; taken < ready; taken++) {
		struct rf_blk_resp r;

		rf_ring_take(&end, &r, sizeof(r));
		found = judge(q, &r);
		if (unlikely(found))
			break;
		struct rf_table_entry *e = &q->entry[RF_TAG_INDEX(r.tag)];
		if (unlikely(e->mark))
			look_at(q, e);
		entry_finish(q, e, r.status);
	}
	*bad = found;
	rf_ring_release(&end);
	q->resp = end;
	return taken;
}

static inline bool has_range(uint8_t op)
{
	return op != RF_BLK_FLUSH;
}

static void issue_waited(struct rf_blk_queue *q, struct rf_io *io, uint64_t seq, uint32_t owner)
{
	struct rf_table_entry *e = q->free[q->free_count - 1]; /* the one that it gets */

	issue(q, io, seq, owner);
	if (io->since)
		e->mark |= RF_MARK_TIMED;
}

/* ---- which queue ------------------------------------------------------------------------ */

void rf_routes_set(struct rf_blk *s)
{
	uint32_t used = s->queue[0].session.used ? s->queue[0].session.used : 1;

	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		s->route[i] = &s->queue[i % used];
}

/* May a new request go to its driver? */
static inline bool queue_open(const struct rf_blk_queue *q)
{
	return !q->session.gate && q->free_count;
}

/* The queue a request goes to: its own, or, while that has no driver or no room, the one with most
 * room. NULL: the request has to wait. */
static struct rf_blk_queue *queue_for(struct rf_blk *s, const struct rf_io *io)
{
	struct rf_blk_queue *own = s->route[io->queue % RF_MAX_QUEUES], *best = NULL;

	if (queue_open(own))
		return own;
	RF_EACH_QUEUE(q, s)
		if (queue_open(q) && (!best || q->free_count > best->free_count))
			best = q;
	return best;
}

/* One that was held and whose older ones were answered. */
static bool pump_ready(struct rf_blk *s)
{
	struct rf_order *h = &s->order;
	uint32_t i = (uint32_t)__builtin_ctzll(h->ready);
	struct rf_io *io = h->slot[i].io;
	struct rf_blk_queue *q = queue_for(s, io);

	if (!q)
		return false;
	h->ready &= ~(1ull << i);
	rf_io_goes_on(io);
	issue_waited(q, io, h->slot[i].seq, RF_ORDER_HELD + i);
	return true;
}

/* The first of those that wait. */
static bool pump_first(struct rf_blk *s)
{
	struct rf_io *io = s->queue_head;
	struct rf_blk_queue *q = io ? queue_for(s, io) : NULL;
	uint64_t seq = s->seq + 1;

	if (!q)
		return false;
	if (has_range(io->op) &&
	    rf_order_conflict(&s->order, io->offset, io->offset + io->length, seq)) {
		if (!rf_order_defer(&s->order, io, seq))
			return false;
		s->count.held_back++;
		s->queue_head = io->next;
	} else {
		s->queue_head = io->next;
		rf_io_goes_on(io);
		issue_waited(q, io, seq, NO_OWNER);
	}
	s->seq = seq;
	return true;
}

void rf_waiting_pump(struct rf_blk *s)
{
	while (s->order.ready ? pump_ready(s) : pump_first(s))
		;
	if (!s->queue_head)
		s->queue_tail = &s->queue_head;
	if (!s->queue_head && !s->order.ready)
		s->gate &= ~RF_GATE_QUEUE;
}

static void waiting_put(struct rf_blk *s, struct rf_io *io)
{
	rf_io_waits(io);
	io->next = NULL;
	*s->queue_tail = io;
	s->queue_tail = &io->next;
	s->gate |= RF_GATE_QUEUE;
}

/* May this be asked of the disk? The limit of an operation is 0 where it needs a closer look: a
 * flush, or one that is refused. No length that passes is longer than the disk or, if it has
 * data, the arena. */
static inline __attribute__((always_inline)) bool admissible(const struct rf_blk *s,
							     const struct rf_io *io, uint8_t op)
{
	uint64_t offset = io->offset, arena = io->arena;
	uint32_t length = io->length;

	return length - 1 < s->limit[op] && !((offset | length) & s->block_mask) &&
	       offset <= s->size - length &&
	       (op > RF_BLK_WRITE ||
		(!(arena & (RF_ARENA_UNIT - 1)) && arena <= s->arena_bytes - length));
}

static bool is_gone(const struct rf_blk *s)
{
	return s->queue[0].session.state == RF_DRIVER_GONE;
}

/* Why admissible() said no. 0: it is a flush. */
static int refuse(struct rf_blk *s, const struct rf_io *io)
{
	static const uint32_t needs[] = { [RF_BLK_DISCARD] = RF_BLK_HAS_DISCARD,
					  [RF_BLK_ZERO] = RF_BLK_HAS_ZERO };

	if (is_gone(s))
		return -EIO;
	if (!s->queue[0].session.known)
		return -EINVAL;
	if (io->op == RF_BLK_FLUSH)
		return 0;
	if (rf_op_writes(io->op) && s->info.features & RF_BLK_READ_ONLY)
		return -EROFS;
	if (rf_op_writes(io->op) && io->op != RF_BLK_WRITE && !(s->info.features & needs[io->op]))
		return -EOPNOTSUPP;
	return -EINVAL;
}

void rf_blk_pass(struct rf_blk *s, struct rf_io *io)
{
	if (is_gone(s)) {
		io->done(io, -EIO);
		return;
	}
	io->since = 0;
	if (!--s->latency.untimed)
		rf_latency_begin(&s->latency, io);
	waiting_put(s, io);
	rf_waiting_pump(s);
}

/* Everything but a plain read or write that may go at once. */
static __attribute__((noinline)) int submit_slow(struct rf_blk *s, struct rf_io *io)
{
	if (!admissible(s, io, io->op)) {
		int err = refuse(s, io);
		if (err)
			return err;
		io->offset = io->length = 0;
	}
	if (io->flags & RF_BLK_FUA) {
		/* Without a volatile cache every write is on stable media. */
		if (!(s->info.features & RF_BLK_HAS_FLUSH))
			io->flags &= (uint8_t)~RF_BLK_FUA;
		else if (!(s->info.features & RF_BLK_HAS_FUA))
			return -EOPNOTSUPP;
	}
	s->filter->ops->submit(s->filter, io);
	return 0;
}

/* Anything but a read with nothing in its way. One that is timed takes the way that all could. */
static __attribute__((noinline)) int submit_other(struct rf_blk *s, struct rf_io *io)
{
	struct rf_blk_queue *q = s->route[io->queue % RF_MAX_QUEUES];
	uint64_t seq = s->seq + 1;

	io->internal = false;
	if (s->gate & ~RF_GATE_WRITES || q->session.gate || !q->free_count ||
	    s->latency.untimed == 1 || io->flags || io->op > RF_BLK_WRITE ||
	    !admissible(s, io, io->op) ||
	    rf_order_conflict(&s->order, io->offset, io->offset + io->length, seq))
		return submit_slow(s, io);
	s->latency.untimed--;
	s->seq = seq;
	issue(q, io, seq, NO_OWNER);
	return 0;
}

int rf_blk_submit(struct rf_blk *s, struct rf_io *io)
{
	struct rf_blk_queue *q = s->route[io->queue % RF_MAX_QUEUES];

	if (unlikely(io->op != RF_BLK_READ || io->flags || s->gate | q->session.gate ||
		     !q->free_count || !admissible(s, io, RF_BLK_READ)))
		return submit_other(s, io);
	struct rf_table_entry *e = entry_issue(q, io, ++s->seq);

	if (unlikely(!--s->latency.untimed)) {
		rf_latency_begin(&s->latency, io);
		e->mark |= RF_MARK_TIMED;
	}
	return 0;
}

void rf_queue_push(struct rf_blk_queue *q)
{
	if (!q->dirty)
		return;
	q->dirty = 0;
	rf_ring_publish(&q->req);
	/* A successor that is still held back gets no kick: it looks before it sleeps. */
	if (q->session.state == RF_DRIVER_UP && unlikely(rf_ring_peer_asleep(&q->req)))
		rf_session_kick(&q->session);
}

void rf_blk_push(struct rf_blk *s)
{
	RF_EACH_QUEUE(q, s)
		rf_queue_push(q);
}

/* ---- requests of a dead driver ----------------------------------------------------------- */

static void redo_put(struct rf_blk_queue *q, uint32_t index)
{
	struct rf_table_entry *e = &q->entry[index];
	uint64_t what;

	e->attempts++;
	q->count.reissued++;
	memcpy(&what, &e->req.op, 8);
	entry_put(q, e, what, e->req.offset, e->req.arena);
}

void rf_redo_next(struct rf_blk_queue *q)
{
	uint32_t list[RF_BLK_DEPTH], n;

	if (q->session.state == RF_DRIVER_FAULTY || rf_entries_in(q, RF_ENTRY_FLIGHT))
		return;
	q->alone = rf_redo_list(q, ALONE_AFTER, list) > 0;
	if (q->alone) {
		redo_put(q, list[0]);
		return;
	}
	n = rf_redo_list(q, 0, list);
	for (uint32_t i = 0; i < n; i++)
		redo_put(q, list[i]);
	q->session.gate &= ~RF_GATE_REDO;
}

/* ---- answers ------------------------------------------------------------------------------ */

static inline int queue_poll(struct rf_blk_queue *q)
{
	enum rf_proto_error bad = 0;

	if (unlikely(!rf_session_alive(&q->session)))
		return 0;
	int taken = rf_blk_take(q, &bad);
	if (unlikely(bad))
		rf_session_proto_error(&q->session, bad);
	if (unlikely(q->session.gate & RF_GATE_REDO))
		rf_redo_next(q);
	return taken;
}

int rf_blk_poll(struct rf_blk *s)
{
	int taken = 0;

	RF_EACH_QUEUE(q, s)
		taken += queue_poll(q);
	if (unlikely(s->gate & RF_GATE_QUEUE))
		rf_waiting_pump(s);
	return taken;
}
