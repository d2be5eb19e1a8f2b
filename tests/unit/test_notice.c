/* SPDX-License-Identifier: MIT */
/*
 * test_notice.c - what a program of one's own hears of its driver and its disk, and the loop that
 * the library has for it.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h.
 */
#include "blk_fixture.h"

#include "sandbox/blk/client.c"
#include "sandbox/session/notice.c"

static struct rf_notice next(struct served *t)
{
	struct rf_notice n = { 0 };

	assert_true(rf_blk_notice(t->s, &n));
	return n;
}

static void nothing_more(struct served *t)
{
	struct rf_notice n;

	assert_false(rf_blk_notice(t->s, &n));
}

static void expect(struct served *t, uint32_t type, uint32_t generation, uint32_t count)
{
	struct rf_notice n = next(t);

	assert_int_equal(n.type, type);
	assert_int_equal(n.generation, generation);
	assert_int_equal(n.count, count);
	assert_true(n.type == RF_NOTICE_UP ? n.ns > 0 : n.ns == 0);
}

static void the_first_driver_is_no_news(void **state)
{
	struct served *t = served_new(0);

	(void)state;
	nothing_more(t);
	nothing_more(t);
	served_free(t);
}

static void a_death_and_the_successor_are_told_once(void **state)
{
	struct served *t = served_new(0);
	struct ask a[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(t, &a[i], RF_BLK_READ, (uint64_t)i * 4096, 4096), 0);
	rf_blk_push(t->s);
	served_down(t);
	expect(t, RF_NOTICE_DOWN, 1, 3);
	nothing_more(t);
	rig_quiesced(&t->rig, 0);
	served_up(t);
	expect(t, RF_NOTICE_UP, 2, 0);
	nothing_more(t);
	served_free(t);
}

/* Who asks late hears all of it, in order, also what was before the first question. */
static void deaths_are_kept_for_who_asks_late(void **state)
{
	struct served *t = served_new(0);

	(void)state;
	served_cycle(t);
	served_cycle(t);
	served_down(t);
	expect(t, RF_NOTICE_DOWN, 1, 0);
	expect(t, RF_NOTICE_DOWN, 2, 0);
	expect(t, RF_NOTICE_DOWN, 3, 0);
	nothing_more(t);
	rig_quiesced(&t->rig, 0);
	served_up(t);
	expect(t, RF_NOTICE_UP, 4, 0);
	nothing_more(t);
	served_free(t);
}

/* The time is that from the first death, not from that of the last standby. */
static void a_successor_that_dies_at_once_prolongs_the_outage(void **state)
{
	struct served *t = served_new(0);

	(void)state;
	served_down(t);
	uint64_t first = t->s->queue[0].session.stats->log[1].down_ns;
	served_down(t);
	expect(t, RF_NOTICE_DOWN, 1, 0);
	expect(t, RF_NOTICE_DOWN, 2, 0);
	rig_quiesced(&t->rig, 0);
	served_up(t);
	uint64_t least = rf_now_ns() - first;
	struct rf_notice n = next(t);
	assert_int_equal(n.type, RF_NOTICE_UP);
	assert_true(n.ns >= least);
	served_free(t);
}

static void deaths_before_this_process_are_no_news(void **state)
{
	struct served *t = served_new(0);

	(void)state;
	served_cycle(t);
	t->s->queue[0].notices = (struct rf_notices){ .since_ns = rf_now_ns() };
	nothing_more(t);
	served_cycle(t);
	expect(t, RF_NOTICE_DOWN, 2, 0);
	expect(t, RF_NOTICE_UP, 3, 0);
	served_free(t);
}

static void answer_next(struct served *t)
{
	struct rf_blk_req req = see(t);

	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
}

static void a_lost_cache_and_the_end_are_told(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	assert_int_equal(ask(t, &a, RF_BLK_WRITE, 0, 4096), 0);
	answer_next(t);
	served_down(t);
	rig_quiesced(&t->rig, 1);
	served_up(t);
	expect(t, RF_NOTICE_DOWN, 1, 0);
	expect(t, RF_NOTICE_CACHE_LOST, 2, 0);
	expect(t, RF_NOTICE_UP, 2, 0);
	nothing_more(t);
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
	expect(t, RF_NOTICE_GONE, 2, 0);
	nothing_more(t);
	served_free(t);
}

static void more_deaths_than_the_log_has_are_told_from_its_first(void **state)
{
	static struct rf_recovery_service log[RF_STATS_LOG];
	struct rf_notices told = { .generation = 1 };
	struct rf_notice_now now = { .generation = RF_STATS_LOG + 10, .step = 1,
				     .log = log, .now_ns = 5 };
	struct rf_notice n;
	uint32_t count = 0;

	(void)state;
	for (uint32_t g = 10; g < RF_STATS_LOG + 10; g++)
		log[g % RF_STATS_LOG] =
			(struct rf_recovery_service){ .generation = g, .down_ns = 1 };
	for (; rf_notice_next(&told, &now, &n); count++)
		assert_int_equal(n.generation, 10 + count);
	assert_int_equal(count, RF_STATS_LOG);
}

/* ---- the loop ------------------------------------------------------------------- */

static void a_wait_pushes_and_takes_answers(void **state)
{
	static const uint64_t one = 1;
	struct served *t = served_new(0);
	struct rf_blk_req req;
	struct ask a;

	(void)state;
	assert_int_equal(ask(t, &a, RF_BLK_READ, 4096, 4096), 0);
	assert_int_equal(rf_blk_wait(t->s, 0), 0);
	assert_true(ram_take(&t->ram, &req));
	ram_answer(&t->ram, &req, 0);
	rig_must(write(t->rig.fd[RF_EXPORT_FD_KICK], &one, 8) == 8, "kick");
	assert_int_equal(rf_blk_wait(t->s, -1), 1);
	assert_int_equal(a.done, 1);
	/* The kick was taken: it wakes nobody a second time. */
	struct pollfd p = { .fd = rf_blk_kick_fd(t->s), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	struct rf_blk_counters c;
	rf_blk_counters(t->s, &c);
	assert_int_equal(c.completed, 1);
	assert_int_equal(c.bytes_read, 4096);
	served_free(t);
}

static void a_wait_hears_the_device_process(void **state)
{
	struct served *t = served_new(0);
	struct rf_svc_msg msg;

	(void)state;
	rig_down(&t->rig);
	assert_int_equal(rf_blk_wait(t->s, -1), 0);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PREPARED);
	expect(t, RF_NOTICE_DOWN, 1, 0);
	close(t->rig.control);
	assert_int_equal(rf_blk_wait(t->s, -1), -EPIPE);
	t->rig.control = rig_park(open("/dev/null", O_RDWR));
	served_free(t);
}

/* A driver that kicks without end and answers nothing is watched all the same. */
static void a_wait_watches_the_driver(void **state)
{
	static const uint64_t one = 1;
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	t->s->queue[0].session.config.nudge_ns = 1000000;
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 4096), 0);
	while (!t->s->queue[0].session.watch.nudges) {
		rig_must(write(t->rig.fd[RF_EXPORT_FD_KICK], &one, 8) == 8, "kick");
		assert_int_equal(rf_blk_wait(t->s, -1), 0);
	}
	served_free(t);
}

static void an_interface_is_no_disk(void **state)
{
	struct rf_blk *none = NULL;
	struct rig rig;

	(void)state;
	rig_open(&rig, ARENA);
	rig.config->service = RF_SERVICE_NET;
	rig_install(&rig);
	assert_int_equal(rf_blk_open(&none), -ENODEV);
	assert_null(none);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_driver_is_no_news),
		cmocka_unit_test(a_death_and_the_successor_are_told_once),
		cmocka_unit_test(deaths_are_kept_for_who_asks_late),
		cmocka_unit_test(a_successor_that_dies_at_once_prolongs_the_outage),
		cmocka_unit_test(deaths_before_this_process_are_no_news),
		cmocka_unit_test(a_lost_cache_and_the_end_are_told),
		cmocka_unit_test(more_deaths_than_the_log_has_are_told_from_its_first),
		cmocka_unit_test(a_wait_pushes_and_takes_answers),
		cmocka_unit_test(a_wait_hears_the_device_process),
		cmocka_unit_test(a_wait_watches_the_driver),
		cmocka_unit_test(an_interface_is_no_disk),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
