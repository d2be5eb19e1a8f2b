/* SPDX-License-Identifier: MIT */
/*
 * driver.c - what an export does about its driver: kick it, watch it, report it.
 *
 * Room:   sandbox/session, trusted. See session_core.h.
 * Wait:   the device process may be stopped or busy with its device: an export does not wait
 *         for it. A message it has no room for is kept, the newest of them, for the next tick;
 *         UNRESPONSIVE and LOOK are said again in any case.
 */
#include <errno.h>
#include <unistd.h>

#include "bounded.h"
#include "clock.h"
#include "driver_number.h"
#include "log.h"
#include "packet.h"
#include "session_core.h"

#define LOOK_FACTOR 4u /* kicks in vain, in nudges of time until the next one */

static const char *const proto_error_names[] = {
	[RF_BAD_INDEX] = "a ring index that cannot be",
	[RF_BAD_TAG] = "an answer to no request",
	[RF_BAD_GENERATION] = "an answer under another generation",
	[RF_BAD_STATUS] = "a status no driver may give",
	[RF_BAD_BUFFER] = "a buffer it does not have",
	[RF_BAD_FRAME] = "a frame that cannot be",
	[RF_BAD_WAKE] = "a wake-up that its device server keeps full",
};

/* If it is gone the control socket says so in a moment. */
static int session_post(const struct rf_session *s, const struct rf_svc_msg *msg)
{
	return rf_packet_post(rf_session_fd(s, RF_EXPORT_FD_CONTROL), msg, sizeof(*msg));
}

static void session_send(struct rf_session *s, const struct rf_svc_msg *msg)
{
	int err = session_post(s, msg);

	if (err == -EAGAIN)
		s->unsent = *msg;
	else if (!err)
		s->unsent.type = 0;
}

static struct rf_svc_msg svc_message(const struct rf_session *s, enum rf_svc_type type,
				     uint32_t value)
{
	return (struct rf_svc_msg){ .type = type, .generation = s->generation, .half = s->half,
				    .value = value };
}

void rf_session_notify(struct rf_session *s, enum rf_svc_type type, uint32_t value)
{
	struct rf_svc_msg msg = svc_message(s, type, value);

	session_send(s, &msg);
}

void rf_session_proto_error(struct rf_session *s, enum rf_proto_error bad)
{
	s->count.violations++;
	s->state = RF_DRIVER_FAULTY;
	s->gate |= RF_GATE_DRIVER;
	rf_log_peer("driver generation %u gave %s: its rings are not read any more", s->generation,
		    proto_error_names[bad]);
	rf_session_notify(s, RF_SVC_PROTO_ERROR, bad);
	s->ops->publish(s);
}

void rf_session_left_behind(struct rf_session *s, enum rf_proto_error bad)
{
	s->count.violations++;
	rf_log_peer("driver generation %u, dead, left %s behind", s->generation,
		    proto_error_names[bad]);
}

void rf_session_stalled(struct rf_session *s)
{
	s->stalled = true;
	s->count.stalls++;
	rf_session_notify(s, RF_SVC_STALL, 0);
}

/* A full eventfd keeps its driver awake, and would keep us waiting. */
void rf_session_kick(struct rf_session *s)
{
	if (!rf_bounded_kick(s->fds_up + rf_export_wake(s->queue, s->half)))
		rf_session_proto_error(s, RF_BAD_WAKE);
}

void rf_session_woken(const struct rf_session *s)
{
	uint64_t count;

	(void)!read(rf_session_fd(s, RF_EXPORT_FD_KICK), &count, sizeof(count));
}

void rf_session_first_io(struct rf_session *s)
{
	uint64_t now = rf_now_ns();

	for (uint32_t g = s->await_from; g != s->generation;
	     g = rf_number_next(g, s->config.queues)) {
		struct rf_recovery_service *log = &s->stats->log[g % RF_STATS_LOG];

		if (log->generation != g || log->first_io_ns)
			continue;
		log->first_io_ns = now;
		rf_steps_first_io(s, g, now);
	}
	s->awaiting = false;
}

/* A device that reset itself answers nothing any more. The age of what waits would find that,
 * too, but some requests may take minutes. */
static void ask_for_a_look(const struct rf_session *s)
{
	struct rf_svc_msg msg = svc_message(s, RF_SVC_LOOK, 0);

	(void)session_post(s, &msg);
}

static void report_silence(const struct rf_session *s, uint64_t now)
{
	struct rf_svc_msg msg = svc_message(s, RF_SVC_UNRESPONSIVE, s->watch.episode);

	msg.at_ns = now;
	(void)session_post(s, &msg);
}

void rf_session_watch(struct rf_session *s, uint64_t now, const struct rf_session_work *w)
{
	switch (rf_hang_watch_look(&s->watch, now, w->nudge_ns, w->waiting, w->progress,
				   w->heartbeat)) {
	case RF_HANG_KICK:
		rf_session_kick(s);
		if (w->look && s->watch.factor >= LOOK_FACTOR)
			ask_for_a_look(s);
		break;
	case RF_HANG_UNRESPONSIVE:
		report_silence(s, now);
		break;
	case RF_HANG_FINE:
		break;
	}
}

void rf_session_tick(struct rf_session *s)
{
	struct rf_svc_msg again = s->unsent;

	if (again.type)
		session_send(s, &again);
	if (s->state == RF_DRIVER_UP)
		s->ops->look(s, rf_now_ns());
	s->ops->publish(s);
}
