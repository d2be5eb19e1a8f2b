/* SPDX-License-Identifier: MIT */
/*
 * recover.c - what happens to requests when their driver dies.
 *
 * Room:   sandbox/blk, trusted.
 * Steps:  DOWN      the dead driver's ring is drained; the rest of the table becomes
 *                   RF_ENTRY_REDO; the successor's half is cleared and filled.
 *         QUIESCED  the device is silent. Only now may a poisoned request fail, for
 *                   its buffer is free from then on. Value 1: the cache may be lost.
 *         UP        new requests flow again.
 * Poison: a request that was reissued twice is reissued alone, all others held back.
 *         If that driver dies too, this request failed it: it gets -EIO and its name
 *         in the log.
 * Cache:  see cache.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "bounded.h"
#include "core.h"
#include "service.h"
#include "handed.h"
#include "packet.h"

#define ALONE_AFTER 2u /* reissues */
#define LOOK_FACTOR 4u /* kicks in vain, in nudges of time until the next one */

static const char *const lie_names[] = {
	[RF_LIE_INDEX] = "a ring index that cannot be",
	[RF_LIE_TAG] = "an answer to no request",
	[RF_LIE_GENERATION] = "an answer under another generation",
	[RF_LIE_STATUS] = "a status no driver may give",
	[RF_LIE_WAKE] = "a wake-up that its device server keeps full",
};

static void tell_at(struct rf_blk *s, enum rf_svc_type type, uint32_t value, uint64_t at)
{
	struct rf_svc_msg msg = { .type = type, .generation = s->generation, .half = s->half,
				  .value = value, .at_ns = at };

	rf_svc_tell(rf_blk_fd(s, RF_EXPORT_FD_CONTROL), &msg, &s->untold);
}

void rf_tell(struct rf_blk *s, enum rf_svc_type type, uint32_t value)
{
	tell_at(s, type, value, 0);
}

void rf_blk_lied(struct rf_blk *s, enum rf_violation lie)
{
	s->count.violations++;
	s->state = RF_DRIVER_LIED;
	s->gate |= RF_GATE_DRIVER;
	rf_log_peer("driver generation %u gave %s: its ring is not read any more", s->generation,
	       lie_names[lie]);
	rf_tell(s, RF_SVC_VIOLATION, lie);
	rf_stats_publish(s);
}

/* A full eventfd keeps its driver awake, and would keep us waiting. */
void rf_driver_kick(struct rf_blk *s)
{
	if (!rf_bounded_kick(rf_blk_fd(s, RF_EXPORT_FD_WAKE0) + (int)s->half))
		rf_blk_lied(s, RF_LIE_WAKE);
}

static uint32_t in_state(struct rf_blk *s, enum rf_table_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
		n += s->entry[i].state == state;
	return n;
}

/* Entries to be redone that were reissued at least `attempts` times, oldest first. One look
 * at the table and a sort of the few there are: a dead driver's clients wait for this. */
static uint32_t redo_list(const struct rf_blk *s, uint32_t attempts, uint32_t *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		const struct rf_table_entry *e = &s->entry[i];
		uint32_t at = n;

		if (e->state != RF_ENTRY_REDO || e->mark & RF_MARK_POISON || e->attempts < attempts)
			continue;
		for (n++; at && s->entry[list[at - 1]].seq > e->seq; at--)
			list[at] = list[at - 1];
		list[at] = i;
	}
	return n;
}

static void redo_put(struct rf_blk *s, uint32_t index)
{
	s->entry[index].attempts++;
	s->count.reissued++;
	rf_entry_put(s, index);
}

void rf_redo_next(struct rf_blk *s)
{
	uint32_t list[RF_BLK_DEPTH], n;

	if (s->state == RF_DRIVER_LIED || in_state(s, RF_ENTRY_FLIGHT))
		return;
	s->alone = redo_list(s, ALONE_AFTER, list) > 0;
	if (s->alone) {
		redo_put(s, list[0]);
		return;
	}
	n = redo_list(s, 0, list);
	for (uint32_t i = 0; i < n; i++)
		redo_put(s, list[i]);
	s->gate &= ~RF_GATE_REDO;
}

void rf_first_io(struct rf_blk *s)
{
	uint64_t now = rf_now_ns();

	for (uint32_t g = s->await_from; g != s->generation; g++) {
		struct rf_recovery_service *log = &s->stats->log[g % RF_STATS_LOG];

		if (log->generation == g && log->reissued && !log->first_io_ns)
			log->first_io_ns = now;
	}
	s->awaiting = 0;
}

/* Completions the dead driver still published are true: it had them before it died. */
static uint32_t drain(struct rf_blk *s)
{
	enum rf_violation lie = 0;
	uint32_t drained = 0;
	int taken;

	if (s->state != RF_DRIVER_UP && s->state != RF_DRIVER_PREPARED)
		return 0;
	while ((taken = rf_blk_take(s, &lie)) > 0 && !lie)
		drained += (uint32_t)taken;
	drained += lie ? (uint32_t)taken : 0;
	if (lie) {
		s->count.violations++;
		rf_log_peer("driver generation %u, dead, left %s behind", s->generation,
			    lie_names[lie]);
	}
	/* One that answers has run, whether we were told or not. */
	s->was_up |= drained > 0;
	return drained;
}

/* Everything in flight is in flight no more. Number of requests to reissue. */
static uint32_t collect(struct rf_blk *s)
{
	uint32_t redo = 0;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		struct rf_table_entry *e = &s->entry[i];

		if (e->state == RF_ENTRY_FREE)
			continue;
		if (e->state == RF_ENTRY_FLIGHT) {
			e->req.tag = 0;
			e->mark |= RF_MARK_DIED;
			e->state = RF_ENTRY_REDO;
			if (s->alone && s->was_up)
				e->mark |= RF_MARK_POISON;
			/* A driver that was never let go has seen nothing of it. */
			if (!s->was_up && e->attempts)
				e->attempts--;
		}
		if (!(e->mark & RF_MARK_POISON))
			redo++;
	}
	return redo;
}

static void attach(struct rf_blk *s, uint32_t generation, uint32_t half)
{
	struct rf_blk_chan *chan = rf_blk_chan_at(s, half);

	rf_ring_attach(&s->req, chan->req.bytes, RF_BLK_DEPTH);
	rf_ring_attach(&s->resp, chan->resp.bytes, RF_BLK_DEPTH);
	s->generation = s->table->head.generation = generation;
	s->half = half;
	s->alone = s->was_up = s->stalled = false;
	rf_watch_reset(&s->watch);
}

/* What lies in the dead driver's half, which is cleared only at the next death. Nothing
 * follows from it: whatever the driver wrote there is copied as it is. */
static void autopsy(struct rf_blk *s, uint32_t generation, uint32_t half)
{
	struct rf_autopsy_service *a = (void *)((char *)s->stats + RF_AUTOPSY_SERVICE);
	const struct rf_blk_chan *chan = rf_blk_chan_at(s, half);
	const struct rf_ring *req = (const void *)chan->req.bytes,
			     *resp = (const void *)chan->resp.bytes;

	a += generation % RF_AUTOPSY_SLOTS;
	a->generation = 0;
	a->req_tail = req->tail;
	a->resp_tail = resp->tail;
	a->heartbeat = chan->heartbeat;
	for (uint32_t i = 1; i <= RF_AUTOPSY_TAIL; i++) {
		uint32_t q = a->req_tail - i, p = a->resp_tail - i;

		memcpy(&a->req[q % RF_AUTOPSY_TAIL],
		       req->records + q % RF_BLK_DEPTH * sizeof(struct rf_blk_req),
		       sizeof(struct rf_blk_req));
		memcpy(&a->resp[p % RF_AUTOPSY_TAIL],
		       resp->records + p % RF_BLK_DEPTH * sizeof(struct rf_blk_resp),
		       sizeof(struct rf_blk_resp));
	}
	memcpy(a->mmio, chan->mmio, sizeof(a->mmio));
	a->generation = generation;
}

static int on_down(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (msg->half > 1 || (s->state != RF_DRIVER_NONE && msg->generation < s->generation))
		return -EPROTO;
	struct rf_recovery_service *log = &s->stats->log[msg->generation % RF_STATS_LOG];
	*log = (struct rf_recovery_service){ .generation = msg->generation,
					     .inflight = in_state(s, RF_ENTRY_FLIGHT),
					     .down_ns = rf_now_ns() };
	s->gate |= RF_GATE_DRIVER | RF_GATE_REDO;
	/* Kicks of the dead, perhaps as many as make the eventfd refuse its successor's. */
	rf_blk_wake(s, true);
	log->drained = drain(s);
	log->reissued = collect(s);
	if (log->reissued && !s->awaiting)
		s->await_from = msg->generation;
	s->awaiting = log->reissued != 0;
	memset(rf_blk_chan_at(s, msg->half), 0, RF_BLK_CHAN_BYTES);
	attach(s, msg->generation + 1, msg->half);
	s->state = RF_DRIVER_PREPARED;
	rf_redo_next(s);
	rf_blk_push(s);
	rf_tell(s, RF_SVC_PREPARED, 0);
	autopsy(s, msg->generation, !msg->half);
	return 0;
}

static void fail_poisoned(struct rf_blk *s)
{
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		struct rf_table_entry *e = &s->entry[i];

		if (e->state == RF_ENTRY_FREE || !(e->mark & RF_MARK_POISON))
			continue;
		rf_log("%s of %u bytes at %llu fails with EIO: %u drivers died of it, the last "
		       "one with nothing else in flight",
		       rf_op_names[e->req.op], e->req.length, (unsigned long long)e->req.offset,
		       e->attempts + 1u);
		rf_entry_finish(s, i, -EIO);
	}
}

static int on_quiesced(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (s->state == RF_DRIVER_UP || msg->value > 1)
		return -EPROTO;
	s->arena_ours = true;
	fail_poisoned(s);
	if (msg->value)
		rf_cache_lost(s);
	return 0;
}

static int on_up(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (msg->half > 1 || !s->info_known)
		return -EPROTO;
	if (s->state == RF_DRIVER_NONE) {
		attach(s, msg->generation, msg->half);
		s->state = RF_DRIVER_PREPARED;
	}
	if (msg->generation != s->generation || msg->half != s->half)
		return -EPROTO;
	s->was_up = s->arena_ours = true;
	if (s->state == RF_DRIVER_LIED) /* before it was announced */
		return 0;
	s->state = RF_DRIVER_UP;
	s->gate &= ~RF_GATE_DRIVER;
	fail_poisoned(s);
	s->filter->ops->up(s->filter);
	rf_queue_pump(s);
	s->dirty = 1; /* what DOWN put there was published, but nobody was kicked */
	rf_blk_push(s);
	return 0;
}

static void on_gone(struct rf_blk *s)
{
	struct rf_hold *h = &s->hold;
	uint64_t waiting;

	s->state = RF_DRIVER_GONE;
	s->arena_ours = true; /* nothing read into it is shown to anybody any more */
	s->gate |= RF_GATE_DRIVER;
	memset(s->limit, 0, sizeof(s->limit)); /* every submission is looked at, and refused */
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
		if (s->entry[i].state != RF_ENTRY_FREE)
			rf_entry_finish(s, i, -EIO);
	while ((waiting = h->held | h->ready)) {
		uint32_t i = (uint32_t)__builtin_ctzll(waiting);
		struct rf_io *io = h->slot[i].io;

		h->held &= ~(1ull << i);
		h->ready &= ~(1ull << i);
		if (rf_op_writes(io->op))
			rf_hold_remove(h, RF_BLK_DEPTH + i);
		rf_io_goes_on(io);
		io->done(io, -EIO);
	}
	while (s->queue_head) {
		struct rf_io *io = s->queue_head;

		s->queue_head = io->next;
		rf_io_goes_on(io);
		io->done(io, -EIO);
	}
	s->queue_tail = &s->queue_head;
	s->filter->ops->gone(s->filter);
}

/* No length that passes is longer than disk or arena: saves the fast path two checks. */
static uint32_t limit(uint64_t bytes, uint64_t most)
{
	return (uint32_t)(bytes < most ? bytes : most);
}

static void limits_set(struct rf_blk *s)
{
	s->limit[RF_BLK_READ] = limit(limit(s->info.max_transfer, s->info.size), s->arena_bytes);
	if (!(s->info.features & RF_BLK_READ_ONLY)) {
		s->limit[RF_BLK_WRITE] = s->limit[RF_BLK_READ];
		if (s->info.features & RF_BLK_HAS_DISCARD)
			s->limit[RF_BLK_DISCARD] = limit(s->info.max_discard, s->info.size);
		if (s->info.features & RF_BLK_HAS_ZERO)
			s->limit[RF_BLK_ZERO] = limit(s->info.max_discard, s->info.size);
	}
}

static int on_info(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	struct rf_blk_info in = msg->info;
	uint32_t block = in.block_size;

	if (block < 512 || block > RF_ARENA_UNIT || block & (block - 1) || !in.size ||
	    in.size % block || in.size > INT64_MAX || in.max_transfer < RF_ARENA_UNIT ||
	    in.max_transfer % RF_ARENA_UNIT || !rf_identity_valid(&msg->disk))
		return -EPROTO;
	if (in.max_transfer > RF_ARENA_MAX)
		in.max_transfer = RF_ARENA_MAX;
	if (s->config.flags & RF_EXPORT_READ_ONLY)
		in.features |= RF_BLK_READ_ONLY;
	in.max_discard -= in.max_discard % block;
	if (!in.max_discard)
		in.features &= ~(RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO);
	int err = s->filter->ops->disk(s->filter, &in);
	if (err)
		return err;
	if (s->info_known)
		return rf_disk_again(s, &in, &msg->disk);
	s->info = in;
	s->info_known = true;
	s->size = in.size;
	s->block_mask = block - 1;
	limits_set(s);
	rf_disk_known(s, &msg->disk);
	return 0;
}

/* A device server that was away is back with the same disk: DOWN follows. */
static int on_back(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (s->dropped || !s->info_known)
		return 0;
	int err = s->filter->ops->back(s->filter);

	if (!err)
		err = on_info(s, msg);
	if (err)
		return err;
	limits_set(s);
	s->state = RF_DRIVER_LIED; /* a driver of which nothing is read any more */
	return 0;
}

/* Nothing of it is served any more. A device process that goes on all the same, because it
 * was dropped here, is not kept waiting: no memory of it is in use. */
static int recover_after_gone(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (msg->type == RF_SVC_INFO)
		return on_back(s, msg);
	if (msg->type == RF_SVC_DOWN) {
		s->generation = msg->generation + 1;
		rf_tell(s, RF_SVC_PREPARED, 0);
	}
	return 0;
}

void rf_blk_drop(struct rf_blk *s)
{
	s->dropped = true;
	on_gone(s);
}

static int dispatch(struct rf_blk *s, const struct rf_svc_msg *msg)
{
	if (msg->type == RF_SVC_PING) {
		atomic_store(&s->stats->pong, msg->value);
		rf_log_catch_up();
		return 0;
	}
	if (s->state == RF_DRIVER_GONE)
		return recover_after_gone(s, msg);
	switch (msg->type) {
	case RF_SVC_INFO:
		return on_info(s, msg);
	case RF_SVC_DOWN:
		return on_down(s, msg);
	case RF_SVC_QUIESCED:
		return on_quiesced(s, msg);
	case RF_SVC_UP:
		return on_up(s, msg);
	case RF_SVC_GONE:
		on_gone(s);
		return 0;
	default:
		return -EPROTO;
	}
}

int rf_blk_control(struct rf_blk *s)
{
	for (;;) {
		struct rf_svc_msg msg;
		int fds[RF_PACKET_FDS], count;
		int n = rf_packet_recv(rf_blk_fd(s, RF_EXPORT_FD_CONTROL), &msg, sizeof(msg),
				       fds, &count, MSG_DONTWAIT);

		if (n == -EAGAIN)
			break;
		if (n == 0)
			return -EPIPE;
		if (n < 0)
			return n;
		rf_close_all(fds, count);
		int err = n == sizeof(msg) && !count ? dispatch(s, &msg) : -EPROTO;
		if (err == -ESTALE)
			return err;
		if (err) {
			rf_log("message %u (generation %u, half %u) of the device process does not "
			       "fit driver generation %u", n >= 4 ? msg.type : 0, msg.generation,
			       msg.half, s->generation);
			return err;
		}
	}
	rf_stats_publish(s);
	return 0;
}

int rf_blk_patience(const struct rf_blk *s)
{
	if (s->untold.type)
		return RF_WATCH_TURN_MS;
	bool waits = s->free_count != RF_BLK_DEPTH && s->state == RF_DRIVER_UP;

	return waits ? rf_watch_turn(&s->watch) : -1;
}

/* A device that reset itself answers nothing any more. Request ages would find that, too, but
 * some requests may take minutes. */
static void ask_for_a_look(const struct rf_blk *s)
{
	struct rf_svc_msg msg = { .type = RF_SVC_LOOK, .generation = s->generation };

	(void)rf_packet_post(rf_blk_fd(s, RF_EXPORT_FD_CONTROL), &msg, sizeof(msg));
}

static void watch(struct rf_blk *s, uint64_t now)
{
	struct rf_blk_chan *chan = rf_blk_chan_at(s, s->half);
	uint64_t beat = atomic_load_explicit(&chan->heartbeat, memory_order_acquire);

	switch (rf_watch_look(&s->watch, now, s->config.nudge_ns, s->free_count != RF_BLK_DEPTH,
			      s->count.completed, beat)) {
	case RF_WATCH_KICK:
		rf_driver_kick(s);
		if (s->watch.factor >= LOOK_FACTOR)
			ask_for_a_look(s);
		break;
	case RF_WATCH_SILENT:
		tell_at(s, RF_SVC_SILENT, s->watch.episode, now);
		break;
	case RF_WATCH_FINE:
		break;
	}
}

void rf_blk_tick(struct rf_blk *s)
{
	uint64_t now = rf_now_ns();

	rf_stats_publish(s);
	rf_svc_tell_again(rf_blk_fd(s, RF_EXPORT_FD_CONTROL), &s->untold);
	if (s->state != RF_DRIVER_UP)
		return;
	if (s->config.nudge_ns)
		watch(s, now);
	/* A 16th of the time is near enough. What two looks are further apart than that, this
	 * process had no processor; a device in software may have had none either. */
	uint64_t turn = s->config.stall_ns / 16, apart = now - s->scanned_ns;
	if (s->config.stall_ns && apart >= turn) {
		s->scanned_ns = now;
		s->lived_ns += apart < 2 * turn ? apart : 2 * turn;
		rf_ages_look(s, now);
	}
}
