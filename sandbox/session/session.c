/* SPDX-License-Identifier: MIT */
/*
 * session.c - the messages of the device process, and what each does to the session.
 *
 * Room:   sandbox/session, trusted. See session_core.h for the states.
 * Steps:  DOWN      the dead driver's rings are drained; the successor's half is cleared and
 *                   filled, while the device is made quiet.
 *         QUIESCED  the device is silent: memory that the dead one had given it is free.
 *         UP        the successor runs, and new work flows.
 */
#include "session_core.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "driver_number.h"
#include "log.h"
#include "packet.h"

static void session_attach(struct rf_session *s, uint32_t generation, uint32_t half)
{
	s->generation = generation;
	s->half = half;
	s->was_up = s->stalled = false;
	rf_hang_watch_reset(&s->watch);
	s->ops->attach(s);
	s->state = RF_DRIVER_PREPARED;
}

/*
 * The successor lives in the other half, unless the dead one is none we ever had: then the
 * device process was replaced, the device opened anew before anybody told us, and nothing
 * writes into either half any more.
 */
static bool down_fits(const struct rf_session *s, const struct rf_svc_msg *msg)
{
	return s->state == RF_DRIVER_NONE || msg->generation > s->generation ||
	       (msg->generation == s->generation && msg->half != s->half);
}

static uint32_t session_drain(struct rf_session *s)
{
	enum rf_proto_error bad = 0;

	if (!rf_session_alive(s))
		return 0;
	uint32_t drained = s->ops->drain(s, &bad);

	if (bad)
		rf_session_left_behind(s, bad);
	/* One that answers has run, whether we were told or not. */
	s->was_up |= drained > 0;
	return drained;
}

static int session_down(struct rf_session *s, const struct rf_svc_msg *msg)
{
	if (msg->half > 1 || !s->known || !down_fits(s, msg))
		return -EPROTO;
	struct rf_recovery_service *log = &s->stats->log[msg->generation % RF_STATS_LOG];

	*log = (struct rf_recovery_service){ .generation = msg->generation,
					     .down_ns = rf_now_ns() };
	s->gate |= RF_GATE_DRIVER;
	/* Kicks of the dead, perhaps as many as make the eventfd refuse its successor's. */
	rf_session_woken(s);
	log->drained = session_drain(s);
	bool awaits = s->ops->collect(s, log);

	if (!s->awaiting)
		s->await_from = msg->generation;
	s->awaiting = awaits;
	memset(rf_session_chan(s, msg->half), 0, s->ops->chan_bytes);
	session_attach(s, rf_number_next(msg->generation, s->config.queues), msg->half);
	s->ops->fill(s);
	rf_session_notify(s, RF_SVC_PREPARED, 0);
	s->ops->capture(s, msg->generation, !msg->half);
	return 0;
}

static int session_quiesced(struct rf_session *s, const struct rf_svc_msg *msg)
{
	if (s->state == RF_DRIVER_UP || msg->value > 1)
		return -EPROTO;
	s->arena_ours = true;
	s->ops->quiesced(s, msg->value);
	return 0;
}

static int session_up(struct rf_session *s, const struct rf_svc_msg *msg)
{
	if (msg->half > 1 || !s->known)
		return -EPROTO;
	if (s->state == RF_DRIVER_NONE) {
		session_attach(s, msg->generation, msg->half);
		s->ops->fill(s);
	}
	if (msg->generation != s->generation || msg->half != s->half)
		return -EPROTO;
	s->was_up = s->arena_ours = true;
	rf_steps_up(s, msg->generation - s->config.queues);
	s->ops->quiesced(s, false);
	if (s->state == RF_DRIVER_FAULTY) /* before it was announced */
		return 0;
	s->state = RF_DRIVER_UP;
	s->gate &= ~RF_GATE_DRIVER;
	s->ops->up(s);
	return 0;
}

static void session_gone(struct rf_session *first)
{
	for (uint32_t i = 0; i < first->config.queues; i++) {
		struct rf_session *s = rf_session_of(first, i);

		s->state = RF_DRIVER_GONE;
		s->gate |= RF_GATE_DRIVER;
	}
	first->ops->gone(first);
}

/* The device is described, for the first time or once more. */
static int session_info(struct rf_session *first, const struct rf_svc_msg *msg,
			int (*info)(struct rf_session *, const struct rf_svc_msg *))
{
	if (!msg->queues || msg->queues > first->config.queues)
		return -EPROTO;
	if (first->used && first->used != msg->queues) {
		rf_log("this device had %u queues, and has %u now: its clients have to connect "
		       "again", first->used, msg->queues);
		return -ESTALE;
	}
	first->used = msg->queues;
	int err = info(first, msg);
	for (uint32_t i = 0; i < first->config.queues; i++)
		rf_session_of(first, i)->known = first->known;
	return err;
}

/* A device server that was away is back with the same device: DOWN follows. */
static int session_back(struct rf_session *s, const struct rf_svc_msg *msg)
{
	if (s->dropped || !s->known || !s->ops->back)
		return 0;
	int err = session_info(s, msg, s->ops->back);

	/* drivers of which nothing is read any more */
	for (uint32_t i = 0; !err && i < s->config.queues; i++)
		rf_session_of(s, i)->state = RF_DRIVER_FAULTY;
	return err;
}

/* Nothing of it is served any more. A device process that goes on all the same, because it
 * was dropped here, is not kept waiting: no memory of it is in use. */
static int session_after_gone(struct rf_session *first, struct rf_session *s,
			      const struct rf_svc_msg *msg)
{
	if (msg->type == RF_SVC_INFO)
		return session_back(first, msg);
	if (msg->type == RF_SVC_DOWN) {
		s->generation = rf_number_next(msg->generation, s->config.queues);
		s->half = msg->half & 1;
		rf_session_notify(s, RF_SVC_PREPARED, 0);
	}
	return 0;
}

void rf_session_drop(struct rf_session *s)
{
	s->dropped = true;
	session_gone(s);
}

static int session_dispatch(struct rf_session *first, const struct rf_svc_msg *msg)
{
	struct rf_session *s =
		rf_session_of(first, rf_number_queue(msg->generation, first->config.queues));

	if (msg->type == RF_SVC_PING) {
		atomic_store(&s->stats->pong, msg->value);
		rf_log_catch_up();
		return 0;
	}
	if (s->state == RF_DRIVER_GONE)
		return session_after_gone(first, s, msg);
	switch (msg->type) {
	case RF_SVC_INFO:
		return session_info(first, msg, s->ops->info);
	case RF_SVC_DOWN:
		return session_down(s, msg);
	case RF_SVC_QUIESCED:
		return session_quiesced(s, msg);
	case RF_SVC_UP:
		return session_up(s, msg);
	case RF_SVC_GONE:
		session_gone(first);
		return 0;
	case RF_SVC_LINK:
		return s->ops->link ? s->ops->link(first, msg) : -EPROTO;
	default:
		return -EPROTO;
	}
}

int rf_session_control(struct rf_session *s)
{
	for (;;) {
		struct rf_svc_msg msg;
		int fds[RF_PACKET_FDS], count;
		int n = rf_packet_recv(rf_session_fd(s, RF_EXPORT_FD_CONTROL), &msg, sizeof(msg),
				       fds, &count, MSG_DONTWAIT);

		if (n == -EAGAIN)
			break;
		if (n == 0)
			return -EPIPE;
		if (n < 0)
			return n;
		rf_close_all(fds, count);
		int err = n == sizeof(msg) && !count ? session_dispatch(s, &msg) : -EPROTO;
		if (err == -ESTALE)
			return err;
		if (err) {
			rf_log("message %u (generation %u, half %u) of the device process does not "
			       "fit driver generation %u", n >= 4 ? msg.type : 0, msg.generation,
			       msg.half, s->generation);
			return err;
		}
	}
	s->ops->publish(s);
	return 0;
}
