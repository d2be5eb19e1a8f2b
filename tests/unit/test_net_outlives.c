/* SPDX-License-Identifier: MIT */
/*
 * test_net_outlives.c - what of an interface outlives driver, device process and export, and when a
 * driver is told on.
 *
 * Room:   tests/unit. The test is driver and device process; see net_fixture.h.
 */
#include "net_fixture.h"

/* Its successor opens the device anew: frames received before are kept, those under way lost
 * and counted, the link is as it was, and either half may be the next one. */
static void an_interface_outlives_its_device_process(void **state)
{
	struct netted *t = netted_new(0);
	uint32_t all = t->n->tx_free_count;
	struct rf_net_frame f;

	(void)state;
	for (uint32_t death = 0; death < 8; death++) {
		for (uint32_t i = 0; i < 5; i++)
			driver_receive(t, 60);
		say(t, 60);
		say(t, 60);
		assert_true(driver_take(t, &f));
		driver_sent(t);
		t->rig.net.link = RF_NET_LINK_DOWN;
		t->rig.net.speed = death;
		uint32_t before = t->rig.half, half = death / 2 & 1;
		netted_revived(t, half);
		assert_true(rf_net_carrier(t->n));
		assert_int_equal(driver_buffers(t), half == before ? BUFFERS - 5 : BUFFERS);
		assert_int_equal(drink(t), 5);
		say(t, 60);
		netted_up(t);
		assert_true(driver_take(t, &f));
		driver_sent(t);
		assert_int_equal(rf_net_reap(t->n), 1);
		assert_int_equal(t->n->count.lost_tx, death + 1);
		books_balance(t, 0);
	}
	assert_int_equal(t->n->count.rx_frames, 8 * 5);
	assert_int_equal(t->n->tx_free_count, all);
	/* Another interface is none we can go on with. */
	t->rig.net.mac[5]++;
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_net_control(t->n), -EPROTO);
	netted_free(t);
}

static void a_liars_device_gets_nothing_more(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f;

	(void)state;
	say(t, 60);
	atomic_store(&ring_of(t->chan->rx.bytes)->tail, 5000);
	assert_int_equal(drink(t), 0);
	assert_int_equal(netted_proto_error(t), RF_BAD_INDEX);
	assert_int_equal(rf_net_tx_room(t->n, 1), 0);
	netted_cycle(t);
	say(t, 60);
	assert_true(driver_take(t, &f));
	assert_int_equal(t->n->count.lost_tx, 1);
	netted_free(t);
}

/* What a liar began of a frame is not the beginning of its successor's, and what it lied with
 * is a buffer like others. */
static void a_liars_frame_ends_with_it(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	driver_put(t, (struct rf_net_frame){
			      .at = driver_buffer(t), .length = 1000, .flags = RF_NET_MORE });
	driver_put(t, (struct rf_net_frame){ .at = driver_buffer(t), .length = 60, .flags = 0x80 });
	driver_publish(t);
	assert_int_equal(drink(t), 0);
	assert_int_equal(netted_proto_error(t), RF_BAD_FRAME);
	netted_cycle(t);
	driver_receive(t, 70);
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
	assert_int_equal(got[0].length, 70);
	rf_net_rx_done(t->n, got, 1);
	netted_cycle(t);
	assert_int_equal(driver_buffers(t), BUFFERS);
	netted_free(t);
}

/* The link is the device's: a death does not pull the cable. */
static void the_link_outlives_the_driver(void **state)
{
	struct netted *t = netted_new(RF_NET_HAS_LINK);

	(void)state;
	assert_true(rf_net_carrier(t->n));
	atomic_store(&t->chan->link, RF_NET_LINK_DOWN);
	rf_net_tick(t->n);
	assert_false(rf_net_carrier(t->n));
	atomic_store(&t->chan->link, 99);
	rf_net_tick(t->n);
	assert_false(rf_net_carrier(t->n));
	atomic_store(&t->chan->link, RF_NET_LINK_UP);
	rf_net_tick(t->n);
	netted_down(t);
	rf_net_tick(t->n);
	assert_true(rf_net_carrier(t->n));
	netted_quiesced(t);
	netted_up(t);
	rf_net_tick(t->n);
	assert_true(rf_net_carrier(t->n));
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_net_control(t->n), 0);
	assert_false(rf_net_carrier(t->n));
	assert_int_equal(rf_net_tx_room(t->n, 1), 0);
	netted_free(t);
}

/* Drops are told by each driver from 0, and added up. */
static void drops_add_up_over_generations(void **state)
{
	struct netted *t = netted_new(RF_NET_HAS_LINK);

	(void)state;
	for (uint32_t g = 0; g < 3; g++) {
		atomic_store(&t->chan->rx_dropped, 5);
		rf_net_tick(t->n);
		netted_cycle(t);
	}
	rf_net_tick(t->n);
	assert_int_equal(rf_net_stats(t->n)->rx_dropped, 15);
	netted_free(t);
}

/* A successor of a dead export counts on; what the dead one had under way is lost. */
static void an_export_takes_the_counters_over(void **state)
{
	struct netted *t = netted_new(0);

	(void)state;
	driver_receive(t, 60);
	drink(t);
	say(t, 60);
	say(t, 60);
	rf_net_tick(t->n);
	munmap(t->n->session.data, ARENA);
	munmap(t->n->session.rings, 2 * RF_NET_CHAN_BYTES);
	munmap(t->n->session.stats, RF_STATS_DEVICE);
	free(t->n);
	assert_int_equal(rf_net_open(&t->n), 0);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_net_control(t->n), 0);
	/* The device may read what the dead one had sent: nothing is written there yet. */
	assert_null(rf_net_info(t->n));
	netted_down(t);
	assert_null(rf_net_info(t->n));
	assert_int_equal(rf_net_tx_alloc(t->n), 0);
	netted_quiesced(t);
	assert_non_null(rf_net_info(t->n));
	netted_up(t);
	assert_int_equal(t->n->count.rx_frames, 1);
	assert_int_equal(t->n->count.tx_frames, 2);
	assert_int_equal(t->n->count.lost_tx, 2);
	books_balance(t, 0);
	netted_free(t);
}

static uint32_t tick_until_told(struct netted *t, struct rf_svc_msg *msg)
{
	uint64_t begin = rf_now_ns();
	uint32_t type;

	while (!(type = rig_hear(&t->rig, msg, 1))) {
		rf_net_tick(t->n);
		assert_true(rf_now_ns() - begin < 10000000000ull);
	}
	return type;
}

static void a_stuck_driver_is_woken_then_reported(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_svc_msg msg;
	uint64_t woken = 0, begin = rf_now_ns();

	(void)state;
	/* Nothing is under way: 50 times as long. */
	t->n->session.config.nudge_ns = 1000000;
	rf_net_tick(t->n);
	assert_int_equal(tick_until_told(t, &msg), RF_SVC_UNRESPONSIVE);
	assert_true(rf_now_ns() - begin >= 50000000);
	assert_int_equal(read(t->rig.fd[RF_EXPORT_FD_WAKE0], &woken, 8), 8);
	assert_int_equal(woken, 1);
	netted_free(t);
	/* One that moves is never reported, however little it does. */
	t = netted_new(0);
	t->n->session.config.nudge_ns = 1000000;
	begin = rf_now_ns();
	while (rf_now_ns() - begin < 100000000) {
		t->chan->heartbeat++;
		rf_net_tick(t->n);
	}
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	netted_free(t);
}

/* Its heart beats, and its link is up. */
static void a_device_that_sends_nothing_is_a_stall(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f = { .at = rf_net_tx_alloc(t->n), .length = 60 };
	struct rf_svc_msg msg;
	uint64_t begin = rf_now_ns();

	(void)state;
	t->n->session.config.stall_ns = 40000000;
	rf_net_tick(t->n);
	while (rf_now_ns() - begin < 60000000)
		usleep(1000); /* an alarm of the log may end one sleep early */
	rf_net_tick(t->n); /* with nothing under way there is nothing to be late */
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	memset(rf_net_at(t->n, f.at), 0, 60);
	assert_int_equal(rf_net_tx(t->n, &f), 0);
	rf_net_push(t->n);
	assert_true(rf_net_patience(t->n) <= 5);
	assert_int_equal(tick_until_told(t, &msg), RF_SVC_STALL);
	assert_true(rf_now_ns() - begin >= 100000000);
	netted_free(t);
}

/* Its device, if it is one in software, had no processor either; or the machine stood still. */
static void time_in_which_nobody_ran_is_no_stall(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f = { .at = rf_net_tx_alloc(t->n), .length = 60 };
	struct rf_svc_msg msg;

	(void)state;
	t->n->session.config.stall_ns = 16 * 1000000;
	memset(rf_net_at(t->n, f.at), 0, 60);
	assert_int_equal(rf_net_tx(t->n, &f), 0);
	rf_net_push(t->n);
	for (int looks = 0; looks < 8; looks++) {
		t->chan->heartbeat++;
		rf_net_tick(t->n);
		assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
		usleep(40000);
	}
	assert_int_equal(tick_until_told(t, &msg), RF_SVC_STALL);
	netted_free(t);
}

/* Its device server holds that eventfd, and has filled it. A send does not wait, and says so. */
static void a_full_wakeup_is_no_trap(void **state)
{
	struct netted *t = netted_new(0);
	const uint64_t most = UINT64_MAX - 1;
	int fd = t->rig.fd[RF_EXPORT_FD_WAKE0 + (int)t->rig.half];

	(void)state;
	rig_must(write(fd, &most, sizeof(most)) == sizeof(most), "fill");
	atomic_store(&ring_of(t->chan->tx.bytes)->asleep, 1);
	say(t, 60);
	rf_net_push(t->n);
	assert_int_equal(netted_proto_error(t), RF_BAD_WAKE);
	netted_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_outlives_its_device_process),
		cmocka_unit_test(a_liars_device_gets_nothing_more),
		cmocka_unit_test(a_liars_frame_ends_with_it),
		cmocka_unit_test(the_link_outlives_the_driver),
		cmocka_unit_test(drops_add_up_over_generations),
		cmocka_unit_test(an_export_takes_the_counters_over),
		cmocka_unit_test(a_stuck_driver_is_woken_then_reported),
		cmocka_unit_test(a_device_that_sends_nothing_is_a_stall),
		cmocka_unit_test(time_in_which_nobody_ran_is_no_stall),
		cmocka_unit_test(a_full_wakeup_is_no_trap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
