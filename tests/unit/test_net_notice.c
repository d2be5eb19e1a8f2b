/* SPDX-License-Identifier: MIT */
/*
 * test_net_notice.c - what a program of one's own hears of its interface and the driver of it.
 *
 * Room:   tests/unit. The test is driver and device process; see net_fixture.h.
 */
#include "net_fixture.h"

#include "net/engine/client.c"
#include "sandbox/session/notice.c"

static void net_expect(struct netted *t, uint32_t type, uint32_t generation, uint32_t count)
{
	struct rf_notice n = { 0 };

	assert_true(rf_net_notice(t->n, &n));
	assert_int_equal(n.type, type);
	assert_int_equal(n.generation, generation);
	assert_int_equal(n.count, count);
	assert_true(n.type == RF_NOTICE_UP ? n.ns > 0 : n.ns == 0);
}

static void net_nothing_more(struct netted *t)
{
	struct rf_notice n;

	assert_false(rf_net_notice(t->n, &n));
}

static void send_one(struct netted *t)
{
	struct rf_net_frame f = { .at = rf_net_tx_alloc(t->n), .length = 60 };

	assert_int_equal(rf_net_tx_room(t->n, 1) > 0, 1);
	assert_int_equal(rf_net_tx(t->n, &f), 0);
}

static void a_death_tells_what_was_lost(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_counters c;

	(void)state;
	net_nothing_more(t);
	send_one(t);
	send_one(t);
	rf_net_push(t->n);
	netted_cycle(t);
	net_expect(t, RF_NOTICE_DOWN, 1, 2);
	net_expect(t, RF_NOTICE_UP, 2, 0);
	net_nothing_more(t);
	rf_net_counters(t->n, &c);
	assert_int_equal(c.tx_frames, 2);
	assert_int_equal(c.lost_tx, 2);
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_net_control(t->n), 0);
	net_expect(t, RF_NOTICE_GONE, 2, 0);
	net_nothing_more(t);
	netted_free(t);
}

static void a_wait_hears_kicks_and_the_device_process(void **state)
{
	static const uint64_t one = 1;
	struct netted *t = netted_new(0);
	struct pollfd p = { .fd = rf_net_kick_fd(t->n), .events = POLLIN };

	(void)state;
	rig_must(write(t->rig.fd[RF_EXPORT_FD_KICK], &one, 8) == 8, "kick");
	assert_int_equal(rf_net_wait(t->n, false, -1), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	rig_down(&t->rig);
	assert_int_equal(rf_net_wait(t->n, false, -1), 0);
	net_expect(t, RF_NOTICE_DOWN, 1, 0);
	close(t->rig.control);
	assert_int_equal(rf_net_wait(t->n, false, -1), -EPIPE);
	t->rig.control = rig_park(open("/dev/null", O_RDWR));
	netted_free(t);
}

static void a_disk_is_no_interface(void **state)
{
	struct rf_net *none = NULL;
	struct rig rig;

	(void)state;
	rig_open(&rig, ARENA);
	rig_install(&rig);
	assert_int_equal(rf_net_open(&none), -ENODEV);
	assert_null(none);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_death_tells_what_was_lost),
		cmocka_unit_test(a_wait_hears_kicks_and_the_device_process),
		cmocka_unit_test(a_disk_is_no_interface),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
