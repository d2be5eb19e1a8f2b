/* SPDX-License-Identifier: MIT */
/*
 * test_session.c - the life of a driver as its export sees it, with an engine that only notes what
 * it is asked for: every message in every state, and what the device process is told.
 *
 * Room:   tests/unit. The test is the device process; see rig.h.
 */
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

#include "rig.h"

enum { ARENA = 1 << 20, CHAN = 16384, GENERATION = 5, HALF = 1 };

static struct {
	struct rf_session s;
	char              calls[64];
	enum rf_proto_error lie; /* what a dead driver left behind */
	uint32_t          published;
	bool              awaits;
	uint64_t          beat, progress;
} engine;

static void note(char c)
{
	size_t n = strlen(engine.calls);

	assert_true(n + 1 < sizeof(engine.calls));
	engine.calls[n] = c;
	engine.calls[n + 1] = '\0';
}

static int note_info(struct rf_session *s, const struct rf_svc_msg *msg)
{
	note('i');
	s->known = true;
	return msg->value ? -(int)msg->value : 0;
}

static uint32_t note_drain(struct rf_session *s, enum rf_proto_error *lie)
{
	note('d');
	assert_true(rf_session_alive(s) && s->gate & RF_GATE_DRIVER);
	*lie = engine.lie;
	return engine.published;
}

static bool note_collect(struct rf_session *s, struct rf_recovery_service *log)
{
	note('c');
	assert_int_equal(log->drained, rf_session_alive(s) ? engine.published : 0);
	return engine.awaits;
}

static void note_attach(struct rf_session *s)
{
	note('a');
	assert_false(s->was_up || s->stalled);
}

static void note_fill(struct rf_session *s)
{
	note('f');
	assert_int_equal(s->state, RF_DRIVER_PREPARED);
}

static void note_capture(struct rf_session *s, uint32_t generation, uint32_t half)
{
	note('k');
	assert_int_equal(generation, s->generation - 1);
	assert_int_equal(half, !s->half);
}

static void note_quiesced(struct rf_session *s, bool cache_lost)
{
	note(cache_lost ? 'Q' : 'q');
	assert_true(s->arena_ours);
}

static void note_up(struct rf_session *s)
{
	note('u');
	assert_true(s->state == RF_DRIVER_UP && !(s->gate & RF_GATE_DRIVER) && s->was_up);
}

static void note_gone(struct rf_session *s)
{
	note('g');
	assert_true(s->gate & RF_GATE_DRIVER);
}

static int note_back(struct rf_session *s, const struct rf_svc_msg *msg)
{
	(void)s;
	note('b');
	return msg->value ? -(int)msg->value : 0;
}

static int note_link(struct rf_session *s, const struct rf_svc_msg *msg)
{
	(void)s, (void)msg;
	note('l');
	return 0;
}

static void look_once(struct rf_session *s, uint64_t now)
{
	const struct rf_session_work work = { .waiting = true, .look = true, .nudge_ns = 1000000,
					      .heartbeat = engine.beat,
					      .progress = engine.progress };

	rf_session_watch(s, now, &work);
}

static void publish_own(struct rf_session *s)
{
	rf_session_publish(s);
}

static const struct rf_session_ops noting = {
	.chan_bytes = CHAN,
	.info = note_info,
	.drain = note_drain,
	.collect = note_collect,
	.attach = note_attach,
	.fill = note_fill,
	.capture = note_capture,
	.quiesced = note_quiesced,
	.up = note_up,
	.gone = note_gone,
	.back = note_back,
	.link = note_link,
	.look = look_once,
	.publish = publish_own,
};

static struct rig rig;

/* A session in that state, of generation 5 in half 1. */
static struct rf_session *session_in(enum rf_driver_state state)
{
	memset(&engine, 0, sizeof(engine));
	rig_open(&rig, ARENA);
	rig_install(&rig);
	assert_int_equal(rf_session_open(&engine.s, &noting, 0), 0);
	assert_int_equal(rf_session_map(&engine.s), 0);
	engine.s.state = state;
	engine.s.generation = state == RF_DRIVER_NONE ? 0 : GENERATION;
	engine.s.half = state == RF_DRIVER_NONE ? 0 : HALF;
	engine.s.known = engine.s.was_up = engine.s.stalled = true;
	memset(engine.s.rings, 0xaa, 2 * CHAN);
	if (state == RF_DRIVER_UP)
		engine.s.gate = 0;
	return &engine.s;
}

static void session_end(void)
{
	munmap(engine.s.data, ARENA);
	munmap(engine.s.rings, 2 * CHAN);
	munmap(engine.s.stats, RF_STATS_BYTES);
	rig_close(&rig);
}

static int say(enum rf_svc_type type, uint32_t generation, uint32_t half, uint32_t value)
{
	rig.generation = generation;
	rig.half = half;
	rig_send(&rig, type, value);
	return rf_session_control(&engine.s);
}

struct step {
	enum rf_driver_state state;
	enum rf_svc_type     type;
	uint32_t             generation, half, value;
	int                  err;
	enum rf_driver_state next;
	const char          *calls; /* of the engine, in their order */
};

#define NONE     RF_DRIVER_NONE
#define PREPARED RF_DRIVER_PREPARED
#define UP       RF_DRIVER_UP
#define LIED     RF_DRIVER_FAULTY
#define GONE     RF_DRIVER_GONE

static const struct step steps[] = {
	{ NONE, RF_SVC_INFO, 0, 0, 0, 0, NONE, "i" },
	{ NONE, RF_SVC_UP, 7, 0, 0, 0, UP, "afqu" },
	{ NONE, RF_SVC_UP, 7, 2, 0, -EPROTO, NONE, "" },
	{ NONE, RF_SVC_DOWN, 3, 1, 0, 0, PREPARED, "cafk" }, /* no driver to be drained */
	{ NONE, RF_SVC_DOWN, 3, 2, 0, -EPROTO, NONE, "" },
	{ NONE, RF_SVC_QUIESCED, 3, 0, 0, 0, NONE, "q" },
	{ NONE, RF_SVC_GONE, 3, 0, 0, 0, GONE, "g" },
	{ PREPARED, RF_SVC_INFO, 0, 0, 0, 0, PREPARED, "i" },
	{ PREPARED, RF_SVC_UP, 5, 1, 0, 0, UP, "qu" },
	{ PREPARED, RF_SVC_UP, 6, 1, 0, -EPROTO, PREPARED, "" },
	{ PREPARED, RF_SVC_UP, 5, 0, 0, -EPROTO, PREPARED, "" },
	{ PREPARED, RF_SVC_DOWN, 5, 0, 0, 0, PREPARED, "dcafk" },
	{ PREPARED, RF_SVC_DOWN, 5, 1, 0, -EPROTO, PREPARED, "" }, /* where it lives itself */
	{ PREPARED, RF_SVC_DOWN, 4, 0, 0, -EPROTO, PREPARED, "" },
	{ PREPARED, RF_SVC_QUIESCED, 4, 0, 0, 0, PREPARED, "q" },
	{ PREPARED, RF_SVC_QUIESCED, 4, 0, 1, 0, PREPARED, "Q" },
	{ PREPARED, RF_SVC_QUIESCED, 4, 0, 2, -EPROTO, PREPARED, "" },
	{ PREPARED, RF_SVC_GONE, 5, 0, 0, 0, GONE, "g" },
	{ UP, RF_SVC_INFO, 0, 0, ESTALE, -ESTALE, UP, "i" },
	{ UP, RF_SVC_INFO, 0, 0, EPROTO, -EPROTO, UP, "i" },
	{ UP, RF_SVC_UP, 5, 1, 0, 0, UP, "qu" },
	{ UP, RF_SVC_DOWN, 5, 0, 0, 0, PREPARED, "dcafk" },
	{ UP, RF_SVC_DOWN, 5, 1, 0, -EPROTO, UP, "" },
	{ UP, RF_SVC_DOWN, 9, 1, 0, 0, PREPARED, "dcafk" }, /* none we ever had: any half */
	{ UP, RF_SVC_QUIESCED, 4, 0, 0, -EPROTO, UP, "" },
	{ UP, RF_SVC_LINK, 5, 0, 0, 0, UP, "l" },
	{ UP, RF_SVC_PING, 5, 0, 17, 0, UP, "" },
	{ UP, RF_SVC_GONE, 5, 0, 0, 0, GONE, "g" },
	{ UP, RF_SVC_STALL, 5, 0, 0, -EPROTO, UP, "" }, /* ours to say */
	{ UP, 99, 5, 0, 0, -EPROTO, UP, "" },
	{ LIED, RF_SVC_UP, 5, 1, 0, 0, LIED, "q" }, /* before it was announced */
	{ LIED, RF_SVC_DOWN, 5, 0, 0, 0, PREPARED, "cafk" }, /* nothing of it is read */
	{ LIED, RF_SVC_QUIESCED, 4, 0, 0, 0, LIED, "q" },
	{ LIED, RF_SVC_GONE, 5, 0, 0, 0, GONE, "g" },
	{ GONE, RF_SVC_INFO, 5, 0, 0, 0, LIED, "b" },
	{ GONE, RF_SVC_INFO, 5, 0, EPIPE, -EPIPE, GONE, "b" },
	{ GONE, RF_SVC_UP, 5, 1, 0, 0, GONE, "" },
	{ GONE, RF_SVC_DOWN, 5, 0, 0, 0, GONE, "" },
	{ GONE, RF_SVC_QUIESCED, 5, 0, 0, 0, GONE, "" },
	{ GONE, RF_SVC_GONE, 5, 0, 0, 0, GONE, "" },
};

static bool is_empty(const unsigned char *at)
{
	return !at[0] && !memcmp(at, at + 1, CHAN - 1);
}

/* DOWN is answered wherever it is taken, under the successor's generation. Whoever lives, or has
 * just died, finds its half as it left it. */
static void assert_answered(const struct step *p, const struct rf_session *s)
{
	struct rf_svc_msg msg;

	if (p->type != RF_SVC_DOWN || p->err) {
		assert_int_equal(rig_hear(&rig, &msg, 0), 0);
		assert_false(is_empty(s->rings) || is_empty(s->rings + CHAN));
		return;
	}
	assert_int_equal(is_empty(s->rings + p->half * CHAN), p->state != GONE);
	assert_false(is_empty(s->rings + !p->half * CHAN));
	assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, p->generation + 1);
	assert_int_equal(s->generation, p->generation + 1);
	assert_int_equal(s->half, p->half);
}

static void each_message_in_each_state_does_what_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const struct step *p = &steps[i];
		struct rf_session *s = session_in(p->state);

		assert_int_equal(say(p->type, p->generation, p->half, p->value), p->err);
		assert_int_equal(s->state, p->next);
		assert_string_equal(engine.calls, p->calls);
		assert_int_equal(!(s->gate & RF_GATE_DRIVER), p->next == UP);
		assert_answered(p, s);
		if (p->type == RF_SVC_PING)
			assert_int_equal(rig.stats->pong, p->value);
		session_end();
	}
}

static void nothing_runs_on_a_device_that_was_not_described(void **state)
{
	(void)state;
	for (enum rf_svc_type type = RF_SVC_DOWN; type <= RF_SVC_UP; type++) {
		session_in(NONE)->known = false;
		assert_int_equal(say(type, 1, 1, 0), -EPROTO);
		assert_string_equal(engine.calls, "");
		session_end();
	}
}

static void what_was_dropped_does_not_come_back(void **state)
{
	struct rf_session *s = session_in(UP);

	(void)state;
	rf_session_drop(s);
	assert_int_equal(say(RF_SVC_INFO, 5, 0, 0), 0);
	assert_int_equal(s->state, GONE);
	assert_string_equal(engine.calls, "g");
	session_end();
}

/* It is judged by what it did while it lived: nobody is to kill it once more. */
static void a_lie_of_the_dead_is_counted_and_told_to_nobody(void **state)
{
	struct rf_session *s = session_in(UP);
	struct rf_svc_msg msg;

	(void)state;
	engine.lie = RF_BAD_TAG;
	assert_int_equal(say(RF_SVC_DOWN, 5, 0, 0), 0);
	assert_int_equal(s->count.violations, 1);
	assert_int_equal(rig.stats->violations, 1);
	assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_PREPARED);
	assert_int_equal(rig_hear(&rig, &msg, 0), 0);
	session_end();
}

static void a_lie_of_the_living_ends_its_use(void **state)
{
	struct rf_session *s = session_in(UP);
	struct rf_svc_msg msg;

	(void)state;
	rf_session_proto_error(s, RF_BAD_STATUS);
	assert_true(s->state == LIED && s->gate & RF_GATE_DRIVER);
	assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_PROTO_ERROR);
	assert_true(msg.generation == GENERATION && msg.value == RF_BAD_STATUS);
	session_end();
}

static void whoever_keeps_a_wake_up_full_lied(void **state)
{
	struct rf_session *s = session_in(UP);
	uint64_t full = UINT64_MAX - 1;
	struct rf_svc_msg msg;

	(void)state;
	assert_int_equal(write(rig.fd[RF_EXPORT_FD_WAKE1], &full, sizeof(full)), sizeof(full));
	rf_session_kick(s);
	assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_PROTO_ERROR);
	assert_int_equal(msg.value, RF_BAD_WAKE);
	session_end();
}

/* Three deaths: nothing waited for an answer at the first one. */
static void the_first_answer_ends_all_recoveries_that_wait(void **state)
{
	struct rf_session *s = session_in(UP);

	(void)state;
	assert_int_equal(say(RF_SVC_DOWN, 5, 0, 0), 0);
	assert_false(s->awaiting);
	engine.awaits = true;
	assert_int_equal(say(RF_SVC_DOWN, 6, 1, 0), 0);
	assert_int_equal(say(RF_SVC_DOWN, 7, 0, 0), 0);
	assert_true(s->awaiting);
	rf_session_first_io(s);
	assert_false(s->awaiting);
	assert_int_equal(rig.stats->log[5].first_io_ns, 0);
	assert_true(rig.stats->log[6].first_io_ns >= rig.stats->log[6].down_ns);
	assert_true(rig.stats->log[7].first_io_ns >= rig.stats->log[7].down_ns);
	session_end();
}

/* One that answered has run; one of which nothing is known may not have. */
static void a_driver_that_answered_has_run(void **state)
{
	(void)state;
	for (uint32_t published = 0; published < 2; published++) {
		struct rf_session *s = session_in(PREPARED);

		s->was_up = false;
		engine.published = published;
		assert_int_equal(session_drain(s), published);
		assert_int_equal(s->was_up, published);
		session_end();
	}
}

/* Or the eventfd might be full before its successor's first kick. */
static void wake_ups_of_the_dead_are_not_its_successors(void **state)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t many = 1000;

	(void)state;
	session_in(UP);
	p.fd = rig.fd[RF_EXPORT_FD_KICK];
	assert_int_equal(write(p.fd, &many, sizeof(many)), sizeof(many));
	assert_int_equal(say(RF_SVC_DOWN, 5, 0, 0), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	session_end();
}

/* Leaves no room in the socket; the number of messages that lie there. */
static unsigned socket_fill(const struct rf_session *s)
{
	const struct rf_svc_msg msg = { .type = RF_SVC_LOOK };
	unsigned n = 0;

	while (!rf_packet_post(rf_session_fd(s, RF_EXPORT_FD_CONTROL), &msg, sizeof(msg)))
		n++;
	return n;
}

static void what_found_no_room_is_told_at_the_next_tick(void **state)
{
	struct rf_session *s = session_in(PREPARED);
	struct rf_svc_msg msg;
	unsigned n = socket_fill(s);

	(void)state;
	rf_session_notify(s, RF_SVC_PREPARED, 0);
	rf_session_stalled(s); /* the newest counts */
	rf_session_tick(s);
	assert_int_equal(s->unsent.type, RF_SVC_STALL);
	while (n--)
		assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_LOOK);
	rf_session_tick(s);
	assert_int_equal(rig_hear(&rig, &msg, 0), RF_SVC_STALL);
	assert_int_equal(rig_hear(&rig, &msg, 0), 0);
	assert_int_equal(s->unsent.type, 0);
	session_end();
}

/* It would say of a moment that is over what nobody knows of the present one. */
static void silence_is_not_kept(void **state)
{
	struct rf_session *s = session_in(UP);
	const uint64_t begin = 1000000000;

	(void)state;
	engine.beat = 1;
	for (uint64_t at = begin; s->watch.reported <= begin + 1000000; at += 1000000) {
		socket_fill(s);
		look_once(s, at);
	}
	assert_true(s->watch.kicked);
	assert_int_equal(s->unsent.type, 0);
	session_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_in_each_state_does_what_the_table_says),
		cmocka_unit_test(nothing_runs_on_a_device_that_was_not_described),
		cmocka_unit_test(what_was_dropped_does_not_come_back),
		cmocka_unit_test(a_lie_of_the_dead_is_counted_and_told_to_nobody),
		cmocka_unit_test(a_lie_of_the_living_ends_its_use),
		cmocka_unit_test(whoever_keeps_a_wake_up_full_lied),
		cmocka_unit_test(the_first_answer_ends_all_recoveries_that_wait),
		cmocka_unit_test(a_driver_that_answered_has_run),
		cmocka_unit_test(wake_ups_of_the_dead_are_not_its_successors),
		cmocka_unit_test(what_found_no_room_is_told_at_the_next_tick),
		cmocka_unit_test(silence_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
