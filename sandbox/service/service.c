/* SPDX-License-Identifier: MIT */
/*
 * service.c - the path of every request: submit, ring, response.
 *
 * Room:   sandbox/service, trusted.
 * Trust:  a response is copied out of the ring once and only the copy is looked at.
 *         Generation, tag and status are checked before anything is done with it; the
 *         first lie ends the use of that driver's ring.
 * Space:  the request ring needs no check for room, and the driver's index of it is
 *         never read: at most RF_BLK_DEPTH requests are unanswered, an answered one
 *         was taken out before, so a slot is always free.
 */
#include <errno.h>
#include <unistd.h>

#include "core.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NO_OWNER    ~0u

static inline void entry_put(struct rf_service *s, uint32_t index)
{
	struct rf_table_entry *e = &s->entry[index];
	uint16_t serial = (uint16_t)(e->serial + 1);

	if (unlikely(!serial))
		serial = 1; /* a tag is never 0 */
	e->serial = serial;
	e->tag = index | (uint32_t)serial << 16;
	e->generation = s->generation;
	struct rf_blk_req req = {
		.tag = e->tag, .generation = e->generation,
		.op = e->op, .flags = e->flags, .length = e->length,
		.offset = e->offset, .arena = e->arena,
	};
	rf_ring_put(&s->req, &req, sizeof(req));
	s->dirty = 1;
	__asm__ volatile("" : : : "memory"); /* table.h: state is written last */
	e->state = RF_ENTRY_FLIGHT;
}

static inline void entry_issue(struct rf_service *s, struct rf_io *io, uint64_t seq, uint32_t owner)
{
	uint32_t index = s->free[--s->free_count];
	struct rf_table_entry *e = &s->entry[index];
	uint8_t op = io->op;

	e->op = op;
	e->flags = io->flags;
	e->mark = 0;
	e->attempts = 0;
	e->length = io->length;
	e->offset = io->offset;
	e->arena = io->arena;
	e->seq = seq;
	e->io = (uint64_t)(uintptr_t)io;
	if (op != RF_BLK_READ) {
		if (op == RF_BLK_FLUSH) {
			s->covers[index] = s->acked;
			if (s->flush_fails)
				e->mark = RF_MARK_LOST;
			s->flush_fails = false;
		} else if (owner == NO_OWNER) {
			rf_hold_add(&s->hold, index, io->offset, io->offset + io->length, seq);
		} else {
			rf_hold_move(&s->hold, owner, index);
		}
	}
	entry_put(s, index);
}

void rf_entry_put(struct rf_service *s, uint32_t index)
{
	entry_put(s, index);
}

/* What a finished write or flush means for later requests; the final status. */
static int finish_change(struct rf_service *s, uint32_t index, int status)
{
	struct rf_table_entry *e = &s->entry[index];

	if (e->op == RF_BLK_FLUSH) {
		if (e->mark & RF_MARK_LOST)
			return status ? status : -EIO;
		if (!status && s->covers[index] > s->flushed)
			s->flushed = s->covers[index];
		return status;
	}
	rf_hold_remove(&s->hold, index);
	if (s->hold.ready)
		s->gate |= RF_GATE_QUEUE;
	if (!status && !(e->flags & RF_BLK_FUA))
		s->acked++;
	if (e->op == RF_BLK_WRITE)
		s->count.bytes_written += e->length;
	return status;
}

static inline void entry_finish(struct rf_service *s, uint32_t index, int status)
{
	struct rf_table_entry *e = &s->entry[index];
	struct rf_io *io = (struct rf_io *)(uintptr_t)e->io;

	e->state = RF_ENTRY_FREE;
	e->tag = 0;
	s->free[s->free_count++] = (uint16_t)index;
	if (likely(e->op == RF_BLK_READ))
		s->count.bytes_read += e->length;
	else
		status = finish_change(s, index, status);
	s->count.completed++;
	if (unlikely(status))
		s->count.failed++;
	io->done(io, status);
}

void rf_entry_finish(struct rf_service *s, uint32_t index, int status)
{
	entry_finish(s, index, status);
}

int rf_service_take(struct rf_service *s, enum rf_violation *lie)
{
	struct rf_blk_resp r;
	int ready = rf_ring_ready(&s->resp), taken = 0;

	if (unlikely(ready < 0))
		*lie = RF_LIE_INDEX;
	if (ready <= 0)
		return 0;
	while (taken < ready) {
		rf_ring_take(&s->resp, &r, sizeof(r));
		uint32_t index = r.tag & 0xffff;
		struct rf_table_entry *e = &s->entry[index];

		if (unlikely(r.generation != s->generation))
			*lie = RF_LIE_GENERATION;
		else if (unlikely(index >= RF_BLK_DEPTH || !r.tag || e->tag != r.tag))
			*lie = RF_LIE_TAG;
		else if (unlikely(r.status && !rf_blk_status_valid(r.status)))
			*lie = RF_LIE_STATUS;
		if (unlikely(*lie))
			break;
		if (unlikely(e->mark & RF_MARK_DIED && s->awaiting))
			rf_first_io(s);
		entry_finish(s, index, r.status);
		taken++;
	}
	rf_ring_release(&s->resp);
	return taken;
}

static inline bool has_range(uint8_t op)
{
	return op != RF_BLK_FLUSH;
}

void rf_queue_pump(struct rf_service *s)
{
	struct rf_hold *h = &s->hold;

	while (!(s->gate & (RF_GATE_DRIVER | RF_GATE_REDO)) && s->free_count) {
		if (h->ready) {
			uint32_t i = (uint32_t)__builtin_ctzll(h->ready);

			h->ready &= ~(1ull << i);
			entry_issue(s, h->slot[i].io, h->slot[i].seq, RF_BLK_DEPTH + i);
			continue;
		}
		struct rf_io *io = s->queue_head;
		if (!io)
			break;
		uint64_t seq = s->seq + 1;
		if (has_range(io->op) &&
		    rf_hold_conflict(h, io->offset, io->offset + io->length, seq)) {
			if (!rf_hold_back(h, io, seq))
				break;
			s->count.held_back++;
			s->queue_head = io->next;
		} else {
			s->queue_head = io->next;
			entry_issue(s, io, seq, NO_OWNER);
		}
		s->seq = seq;
	}
	if (!s->queue_head)
		s->queue_tail = &s->queue_head;
	if (!s->queue_head && !h->ready)
		s->gate &= ~RF_GATE_QUEUE;
}

static void queue_push(struct rf_service *s, struct rf_io *io)
{
	io->next = NULL;
	*s->queue_tail = io;
	s->queue_tail = &io->next;
	s->gate |= RF_GATE_QUEUE;
}

/* Why the fast check of rf_service_submit() said no. 0: it may go all the same. */
static int refuse(struct rf_service *s, const struct rf_io *io)
{
	static const uint32_t needs[] = { [RF_BLK_DISCARD] = RF_BLK_HAS_DISCARD,
					  [RF_BLK_ZERO] = RF_BLK_HAS_ZERO };

	if (s->state == RF_DRIVER_GONE)
		return -EIO;
	if (!s->info_known)
		return -EINVAL;
	if (io->op == RF_BLK_FLUSH)
		return 0;
	if (rf_op_writes(io->op) && s->info.features & RF_BLK_READ_ONLY)
		return -EROFS;
	if (rf_op_writes(io->op) && io->op != RF_BLK_WRITE && !(s->info.features & needs[io->op]))
		return -EOPNOTSUPP;
	return -EINVAL;
}

int rf_service_submit(struct rf_service *s, struct rf_io *io)
{
	uint8_t op = io->op & 7;

	if (unlikely(io->length - 1 >= s->limit[op] || io->op != op ||
		     ((io->offset | io->length) & s->block_mask) || io->offset >= s->size ||
		     io->length > s->size - io->offset)) {
		int err = refuse(s, io);
		if (err)
			return err;
		io->offset = io->length = 0;
	}
	if (op <= RF_BLK_WRITE) {
		if (unlikely(io->arena & (RF_ARENA_UNIT - 1) || io->arena >= s->arena_bytes ||
			     io->length > s->arena_bytes - io->arena))
			return -EINVAL;
	}
	if (unlikely(io->flags & RF_BLK_FUA)) {
		/* Without a volatile cache every write is on stable media. */
		if (!(s->info.features & RF_BLK_HAS_FLUSH))
			io->flags &= (uint8_t)~RF_BLK_FUA;
		else if (!(s->info.features & RF_BLK_HAS_FUA))
			return -EOPNOTSUPP;
	}
	s->count.submitted++;
	if (unlikely(s->gate || !s->free_count)) {
		queue_push(s, io);
		rf_queue_pump(s);
		return 0;
	}
	uint64_t seq = s->seq + 1;
	if (unlikely(s->hold.writers) && has_range(op) &&
	    rf_hold_conflict(&s->hold, io->offset, io->offset + io->length, seq)) {
		if (!rf_hold_back(&s->hold, io, seq)) {
			queue_push(s, io);
			return 0;
		}
		s->count.held_back++;
		s->seq = seq;
		return 0;
	}
	s->seq = seq;
	entry_issue(s, io, seq, NO_OWNER);
	return 0;
}

void rf_service_flush(struct rf_service *s)
{
	static const uint64_t one = 1;

	if (!s->dirty)
		return;
	s->dirty = 0;
	rf_ring_publish(&s->req);
	/* A successor that is still held back gets no kick: it looks before it sleeps. */
	if (s->state == RF_DRIVER_UP && unlikely(rf_ring_peer_asleep(&s->req)))
		(void)!write(s->half ? RF_EXPORT_FD_WAKE1 : RF_EXPORT_FD_WAKE0, &one, sizeof(one));
}

int rf_service_poll(struct rf_service *s)
{
	enum rf_violation lie = 0;

	if (unlikely(s->state != RF_DRIVER_UP && s->state != RF_DRIVER_PREPARED))
		return 0;
	int taken = rf_service_take(s, &lie);
	if (unlikely(lie))
		rf_service_lied(s, lie);
	if (unlikely(s->gate & RF_GATE_REDO))
		rf_redo_next(s);
	if (unlikely(s->gate & RF_GATE_QUEUE))
		rf_queue_pump(s);
	return taken;
}

bool rf_service_sleep(struct rf_service *s)
{
	rf_service_flush(s);
	if (s->state == RF_DRIVER_UP || s->state == RF_DRIVER_PREPARED) {
		rf_ring_arm(&s->resp);
		if (rf_ring_ready(&s->resp)) {
			rf_ring_disarm(&s->resp);
			return false;
		}
	}
	rf_stats_publish(s);
	return true;
}

void rf_service_wake(struct rf_service *s, bool kicked)
{
	uint64_t count;

	if (s->resp.ring)
		rf_ring_disarm(&s->resp);
	if (kicked)
		(void)!read(RF_EXPORT_FD_KICK, &count, sizeof(count));
}
