/* SPDX-License-Identifier: MIT */
/*
 * test_stalls.c - a driver that does not get on: what is a stall, and who says so.
 *
 * Room:   tests/unit. The test is client, driver and disk; see blk_fixture.h.
 */
#include "blk_fixture.h"

/* However much time passes between two looks, it counts for two sixteenths of a stall: so
 * the ninth look at a request is the first that may find it too old. */
static void stall_after(struct served *t, int most, uint32_t generation)
{
	struct rf_svc_msg msg;

	for (int looks = 0; looks < most; looks++) {
		usleep(1000);
		rf_blk_tick(t->s);
		assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	}
	usleep(1000);
	rf_blk_tick(t->s);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_STALL);
	assert_int_equal(msg.generation, generation);
}

static void an_old_request_is_a_stall_once(void **state)
{
	struct served *t = served_new(0);
	struct rf_svc_msg msg;
	struct ask a;

	(void)state;
	t->s->queue[0].session.config.stall_ns = 16 * 1000;
	ask(t, &a, RF_BLK_READ, 0, 512);
	rf_blk_push(t->s);
	stall_after(t, 8, 1);
	rf_blk_tick(t->s);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	/* Reissued, it is young again and has twice the time, and the new driver can stall as
	 * well. */
	served_cycle(t);
	stall_after(t, 16, 2);
	served_free(t);
}

static void quiet_for(struct served *t, int looks)
{
	struct rf_svc_msg msg;

	for (; looks; looks--) {
		usleep(1000);
		rf_blk_tick(t->s);
		assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	}
}

/* Each of many discards is answered in less than `slow_ns`, the last one long after it; a read
 * beside them waits a quarter of it after each. One that is never answered is a stall all the
 * same. */
static void slow_discards_are_no_stall(void **state)
{
	struct served *t = served_new(0);
	struct rf_blk_req see_all[8];
	struct ask d[8], r;

	(void)state;
	t->s->queue[0].session.config.stall_ns = 16 * 1000;
	t->s->queue[0].session.config.slow_ns = 10 * 16 * 1000; /* 80 looks */
	for (int i = 0; i < 8; i++) {
		ask(t, &d[i], i % 2 ? RF_BLK_ZERO : RF_BLK_DISCARD, (uint64_t)i << 20, 1 << 20);
		see_all[i] = see(t);
	}
	ask(t, &r, RF_BLK_READ, 32 << 20, 512);
	struct rf_blk_req read = see(t);
	for (int i = 0; i < 7; i++) {
		quiet_for(t, 18);
		ram_answer(&t->ram, &see_all[i], 0);
		rf_blk_poll(t->s);
		assert_int_equal(d[i].done, 1);
	}
	quiet_for(t, 18);
	ram_answer(&t->ram, &read, 0);
	rf_blk_poll(t->s);
	assert_int_equal(r.status, 0);
	stall_after(t, 81 - 19, 1); /* the first look after an answer notes it */
	served_free(t);
}

/* While others are answered a lost one is waited for, but not for ever. */
static void a_lost_read_beside_slow_discards_is_a_stall_at_last(void **state)
{
	struct served *t = served_new(0);
	struct rf_svc_msg msg;
	struct ask d, r;
	int looks = 0;

	(void)state;
	t->s->queue[0].session.config.stall_ns = 16 * 1000;
	t->s->queue[0].session.config.slow_ns = 4 * 32 * 1000; /* a quarter: 16 looks */
	ask(t, &r, RF_BLK_READ, 32 << 20, 512);
	see(t);
	while (!rig_hear(&t->rig, &msg, 0)) {
		ask(t, &d, RF_BLK_DISCARD, 0, 1 << 20);
		struct rf_blk_req req = see(t);
		for (int i = 0; i < 5; i++, looks++) {
			usleep(1000);
			rf_blk_tick(t->s);
		}
		ram_answer(&t->ram, &req, 0);
		rf_blk_poll(t->s);
		assert_true(looks < 400);
	}
	assert_int_equal(msg.type, RF_SVC_STALL);
	assert_true(looks > 200); /* 16 times 16 */
	served_free(t);
}

/* Ticks until the export says something, or the driver was kicked. */
static uint32_t tick_until(struct served *t, struct rf_svc_msg *msg, bool kick, uint64_t *kicks)
{
	struct pollfd p = { .fd = t->rig.fd[RF_EXPORT_FD_WAKE0 + t->rig.half], .events = POLLIN };
	uint64_t begin = rf_now_ns();
	uint32_t type;

	while (!(type = rig_hear(&t->rig, msg, 1))) {
		assert_true(rf_now_ns() - begin < 10000000000ull);
		rf_blk_tick(t->s);
		if (kick && poll(&p, 1, 0) > 0) {
			assert_int_equal(read(p.fd, kicks, 8), 8);
			return 0;
		}
	}
	return type;
}

static void a_silent_driver_is_kicked_then_reported_as_long_as_it_is(void **state)
{
	struct served *t = served_new(0);
	struct rf_blk_chan *chan = rf_session_chan(&t->s->queue[0].session, t->rig.half);
	uint64_t kicks = 0, before = rf_now_ns();
	struct rf_svc_msg msg;
	struct ask a;

	(void)state;
	t->s->queue[0].session.config.nudge_ns = 10000000;
	assert_int_equal(rf_blk_patience(t->s), -1);
	ask(t, &a, RF_BLK_READ, 0, 512);
	rf_blk_push(t->s);
	assert_true(rf_blk_patience(t->s) > 0);
	assert_int_equal(tick_until(t, &msg, true, &kicks), 0);
	assert_true(rf_now_ns() - before >= 10000000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tick_until(t, &msg, false, &kicks), RF_SVC_UNRESPONSIVE);
		assert_int_equal(msg.value, 1);
		assert_true(msg.at_ns > before && msg.at_ns <= rf_now_ns());
		before = msg.at_ns;
	}
	/* It moves: the next report, if there is one, is about the next kick. */
	chan->heartbeat++;
	assert_int_equal(tick_until(t, &msg, true, &kicks), 0);
	assert_int_equal(tick_until(t, &msg, false, &kicks), RF_SVC_UNRESPONSIVE);
	assert_int_equal(msg.value, 2);
	served_free(t);
}

/* Its driver answers each kick with a heartbeat and nothing else: is that the device's doing? */
static void a_driver_that_moves_in_vain_has_its_device_looked_at(void **state)
{
	struct served *t = served_new(0);
	struct rf_blk_chan *chan = rf_session_chan(&t->s->queue[0].session, t->rig.half);
	uint64_t kicks = 0, all = 0;
	struct rf_svc_msg msg;
	struct ask a;

	(void)state;
	t->s->queue[0].session.config.nudge_ns = 1000000;
	ask(t, &a, RF_BLK_READ, 0, 4096);
	see(t);
	uint32_t type;
	while (!(type = tick_until(t, &msg, true, &kicks))) {
		all += kicks;
		chan->heartbeat++;
	}
	assert_int_equal(type, RF_SVC_LOOK);
	assert_int_equal(msg.generation, t->rig.generation);
	assert_true(all >= 2); /* not for a device that is only slow */
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_old_request_is_a_stall_once),
		cmocka_unit_test(slow_discards_are_no_stall),
		cmocka_unit_test(a_lost_read_beside_slow_discards_is_a_stall_at_last),
		cmocka_unit_test(a_silent_driver_is_kicked_then_reported_as_long_as_it_is),
		cmocka_unit_test(a_driver_that_moves_in_vain_has_its_device_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
