/* SPDX-License-Identifier: MIT */
/*
 * test_net_recover.c - the net service when drivers die: what is lost, what is kept, and
 * whose buffers are whose.
 *
 * Room:   tests/unit. The test is driver and device process; see net_fixture.h.
 */
#include "net_fixture.h"

/* Killed with k of ten frames sent and reported, for every k; whether it told or not. */
static void what_was_not_reported_as_sent_is_lost_and_counted(void **state)
{
	(void)state;
	for (uint32_t taken = 0; taken <= 10; taken++) {
		for (uint32_t told = 0; told <= taken; told++) {
			struct netted *t = netted_new(0);
			struct rf_net_frame f;

			for (uint32_t i = 0; i < 10; i++)
				say(t, 60);
			for (uint32_t i = 0; i < taken; i++)
				assert_true(driver_take(t, &f));
			atomic_store(&ring_of(t->chan->tx.bytes)->head, told);
			netted_down(t);
			assert_int_equal(t->n->count.lost_tx, 10 - told);
			assert_int_equal(t->rig.stats->log[1].inflight, 10 - told);
			books_balance(t, 0);
			/* Never sent again. */
			assert_false(driver_take(t, &f));
			netted_quiesced(t);
			netted_up(t);
			assert_false(driver_take(t, &f));
			netted_free(t);
		}
	}
}

/* The device may still read them until it is quiet: nobody writes to them before. */
static void buffers_of_lost_frames_wait_for_the_quiet(void **state)
{
	struct netted *t = netted_new(0);
	uint32_t lost[16], all = t->n->tx_free_count;

	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		lost[i] = say(t, 60);
	netted_down(t);
	assert_int_equal(t->n->tx_free_count, all - 16);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t at = say(t, 60);
		for (uint32_t k = 0; k < 16; k++)
			assert_int_not_equal(at, lost[k]);
	}
	netted_quiesced(t);
	assert_int_equal(t->n->tx_free_count, all - 100);
	netted_up(t);
	books_balance(t, 100);
	netted_free(t);
}

/* Sent while nobody ran: it lies in the successor's ring. */
static void what_is_sent_meanwhile_goes_to_the_successor(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f;

	(void)state;
	say(t, 60);
	netted_down(t);
	uint32_t first = say(t, 61);
	netted_quiesced(t);
	uint32_t second = say(t, 62);
	netted_up(t);
	assert_true(driver_take(t, &f));
	assert_int_equal(f.at, first);
	assert_true(driver_take(t, &f));
	assert_int_equal(f.at, second);
	driver_sent(t);
	rf_net_tick(t->n);
	assert_int_equal(t->n->count.lost_tx, 1);
	assert_int_equal(t->n->count.tx_done, 2);
	netted_free(t);
}

static void what_the_dead_had_received_is_kept(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame got[RF_NET_PARTS];
	uint32_t at[50];

	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		at[i] = driver_receive(t, (uint16_t)(60 + i));
	/* The beginning of a frame whose end never comes. */
	driver_put(t, (struct rf_net_frame){
			      .at = driver_buffer(t), .length = 1000, .flags = RF_NET_MORE });
	driver_publish(t);
	netted_cycle(t);
	assert_int_equal(t->rig.stats->log[1].drained, 50);
	assert_false(rf_net_sleep(t->n, false));
	driver_receive(t, 1000);
	for (uint32_t i = 0; i < 50;) {
		unsigned n = rf_net_rx(t->n, got, RF_NET_PARTS);

		assert_true(n > 0);
		for (unsigned k = 0; k < n; k++, i++) {
			assert_int_equal(got[k].at, at[i]);
			assert_int_equal(got[k].length, 60 + i);
		}
		rf_net_rx_done(t->n, got, n);
	}
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
	assert_int_equal(got[0].length, 1000);
	rf_net_rx_done(t->n, got, 1);
	assert_int_equal(t->n->count.rx_frames, 51);
	assert_int_equal(t->n->count.rx_bad, 1);
	netted_free(t);
}

static void a_lie_left_by_the_dead_is_counted_and_told_to_nobody(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame got[RF_NET_PARTS];
	struct rf_svc_msg msg;

	(void)state;
	driver_receive(t, 60);
	driver_put(t, (struct rf_net_frame){ .at = 12345, .length = 60 });
	driver_publish(t);
	atomic_store(&ring_of(t->chan->tx.bytes)->head, 77);
	netted_down(t);
	assert_int_equal(t->n->session.count.violations, 1);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
	netted_free(t);
}

/* A sent-slot index that cannot be, left behind, reports nothing as sent. */
static void a_dead_index_reports_nothing(void **state)
{
	struct netted *t = netted_new(0);

	(void)state;
	for (int i = 0; i < 5; i++)
		say(t, 60);
	atomic_store(&ring_of(t->chan->tx.bytes)->head, 6);
	netted_down(t);
	assert_int_equal(t->n->count.tx_done, 0);
	assert_int_equal(t->n->count.lost_tx, 5);
	assert_int_equal(t->n->session.count.violations, 1);
	netted_free(t);
}

/* Receive buffers of two generations in a row have no byte in common. */
static void generations_share_no_receive_buffer(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	for (uint32_t g = 1; g < 12; g++) {
		uint64_t from = rf_net_rx_at(&t->n->info, t->rig.half);

		assert_int_equal(driver_buffers(t), BUFFERS);
		for (uint32_t i = 0; i < BUFFERS; i++) {
			uint64_t at = (uint64_t)driver_receive(t, 60) * RF_NET_UNIT;
			assert_true(at >= from && at < from + BUFFERS * 2048);
			if (i >= 8)
				continue;
			/* Some in use again, some held, some in the dead driver's hands. */
			assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
			rf_net_rx_done(t->n, got, 1);
		}
		netted_cycle(t);
		unsigned n;
		while ((n = rf_net_rx(t->n, got, RF_NET_PARTS)))
			rf_net_rx_done(t->n, got, n);
		rf_net_push(t->n);
	}
	assert_int_equal(t->n->count.rx_frames, 11 * BUFFERS);
	netted_no_proto_error(t);
	netted_free(t);
}

/* What the export still holds is not given to a driver of the same half, until it is done. */
static void held_buffers_outlive_their_generation(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame held, got[RF_NET_PARTS];

	(void)state;
	driver_receive(t, 60);
	assert_int_equal(rf_net_rx(t->n, &held, 1), 1);
	netted_cycle(t);
	assert_int_equal(driver_buffers(t), BUFFERS);
	netted_cycle(t); /* the same half as at first */
	assert_int_equal(driver_buffers(t), BUFFERS - 1);
	for (uint32_t i = 0; i < BUFFERS - 1; i++)
		assert_int_not_equal(driver_receive(t, 60), held.at);
	/* Nor can this one name it. */
	driver_put(t, held);
	driver_publish(t);
	uint32_t n = 0, more;
	while ((more = rf_net_rx(t->n, got, RF_NET_PARTS))) {
		rf_net_rx_done(t->n, got, more);
		n += more;
	}
	assert_int_equal(n, BUFFERS - 1);
	assert_int_equal(netted_proto_error(t), RF_BAD_BUFFER);
	netted_cycle(t);
	rf_net_rx_done(t->n, &held, 1); /* its half has no driver now */
	netted_cycle(t);
	assert_int_equal(driver_buffers(t), BUFFERS);
	netted_free(t);
}

/* Forwarded frames lie in receive buffers, also of the generation before. */
static void forwarded_frames_of_the_dead_lose_no_buffer(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	for (int round = 0; round < 9; round++) {
		for (uint32_t i = 0; i < 20; i++)
			driver_receive(t, 60);
		if (round % 3) {
			assert_int_equal(rf_net_rx(t->n, got, 20), 20);
			assert_int_equal(rf_net_forward(t->n, got, 20), 20);
		}
		netted_down(t);
		/* received by the dead, sent by its successor, which dies too */
		if (!(round % 3)) {
			assert_int_equal(rf_net_rx(t->n, got, 20), 20);
			assert_int_equal(rf_net_forward(t->n, got, 20), 20);
			rf_net_push(t->n);
		}
		netted_quiesced(t);
		netted_up(t);
		books_balance(t, round % 3 ? 0 : 20);
	}
	netted_cycle(t);
	netted_cycle(t);
	assert_int_equal(driver_buffers(t), BUFFERS);
	assert_int_equal(t->n->count.lost_tx, 9 * 20);
	netted_free(t);
}

static void every_buffer_survives_thousands_of_deaths(void **state)
{
	struct netted *t = netted_new(0);
	uint32_t all = t->n->tx_free_count;
	uint64_t x = 0xdead;

	(void)state;
	print_message("seed %#llx\n", (unsigned long long)x);
	for (int death = 0; death < 3000; death++) {
		struct rf_net_frame f;

		for (int i = 0; i < 40; i++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			if (x >> 63 && driver_buffers(t))
				driver_receive(t, 60);
			if (x >> 62 & 1 && rf_net_tx_room(t->n, 1))
				say(t, 60);
			if (x >> 61 & 1)
				(void)driver_take(t, &f);
			if (x >> 60 & 1)
				driver_sent(t);
			if (x >> 59 & 1)
				drink(t);
		}
		if (x >> 58 & 1) {
			netted_cycle(t);
		} else if (x >> 57 & 1) {
			if (x >> 56 & 1)
				netted_down(
					t); /* and then the device process, before it said more */
			netted_revived(t, x >> 55 & 1);
			netted_up(t);
		} else {
			netted_down(t);
			netted_down(t); /* the next one died before it ran */
			netted_quiesced(t);
			netted_up(t);
		}
	}
	while (drink(t))
		;
	netted_cycle(t);
	assert_int_equal(t->n->tx_free_count, all);
	assert_int_equal(driver_buffers(t), BUFFERS);
	books_balance(t, 0);
	netted_no_proto_error(t);
	netted_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_reported_as_sent_is_lost_and_counted),
		cmocka_unit_test(buffers_of_lost_frames_wait_for_the_quiet),
		cmocka_unit_test(what_is_sent_meanwhile_goes_to_the_successor),
		cmocka_unit_test(what_the_dead_had_received_is_kept),
		cmocka_unit_test(a_lie_left_by_the_dead_is_counted_and_told_to_nobody),
		cmocka_unit_test(a_dead_index_reports_nothing),
		cmocka_unit_test(generations_share_no_receive_buffer),
		cmocka_unit_test(held_buffers_outlive_their_generation),
		cmocka_unit_test(forwarded_frames_of_the_dead_lose_no_buffer),
		cmocka_unit_test(every_buffer_survives_thousands_of_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
