/* SPDX-License-Identifier: MIT */
/*
 * test_tcp_loss.c - rf-lwip's stack as it sends over a cable that loses frames, and to one whose
 * driver dies: how fast it is by the clock of a simulation, which no load of the machine moves.
 *
 * Room:   tests/unit. The test is the cable and the receiver. RF_SEED=n.
 * Held:   beside 1 % loss and 2 ms of delay each way, what Reno gets (its formula says 36 Mbit/s);
 *         with a receiver that knows SACK, tails and what is lost twice do not wait for a timer.
 *         Control: the same receiver without SACK;
 *         frames that a driver's death took are sent again when its successor is up, not when
 *         a timer runs out. Control: the same without being told.
 */
#include "tcp_cable.h"

static double rate(uint32_t lost_of_1000, uint64_t delay, unsigned seconds)
{
	connect_with(lost_of_1000, delay);
	uint32_t before = net.next;
	pass(clock_ns + seconds * 1000 * MS, false);
	double mbit = (net.next - before) * 8.0 / seconds / 1e6;
	disconnect();
	return mbit;
}

static void one_percent_of_loss_leaves_what_reno_gets(void **state)
{
	const char *seed = getenv("RF_SEED");

	(void)state;
	net.dice = seed ? strtoull(seed, NULL, 0) : 1;
	for (unsigned i = 0; i < 2; i++) {
		net.sacks = i;
		double one = rate(10, 2 * MS, 20), three = rate(30, 10 * MS, 20),
		       five = rate(50, 20 * MS, 20);
		printf("# RF_SEED=%s, %s: 1 %%, 2 ms %.1f Mbit/s; 3 %%, 10 ms %.1f; 5 %%, 20 ms "
		       "%.1f\n",
		       seed ? seed : "1", i ? "SACK and a moving window" : "no SACK", one, three,
		       five);
		assert_true(i ? one > 30 && three > 3 && five > 1 :
				one > 20 && three > 2 && five > 0.5);
	}
	net.sacks = false;
}

static uint64_t stall_after_a_death(bool told)
{
	connect_with(0, 1 * MS);
	pass(clock_ns + 500 * MS, false);
	/* What was under way is gone, and what comes until the successor is up. */
	net.to_peer.head = net.to_peer.tail;
	net.to_stack.head = net.to_stack.tail;
	net.cut = true;
	pass(clock_ns + 5 * MS, false);
	net.cut = false;
	wire.renewed = told;
	uint64_t up = clock_ns;
	pass(clock_ns + 10000 * MS, true);
	uint64_t stall = (clock_ns - up) / MS;
	disconnect();
	return stall;
}

static void what_a_driver_took_with_it_is_sent_again_at_once(void **state)
{
	uint64_t told = stall_after_a_death(true), unsent = stall_after_a_death(false);

	(void)state;
	printf("# silence behind a driver's death: %llu ms; %llu ms if nobody is told\n",
	       (unsigned long long)told, (unsigned long long)unsent);
	assert_in_range(told, 0, 5); /* the cable is 1 ms long, the clock's steps, too */
	assert_in_range(unsent, 50, 500); /* the timer's business */
}

/* Milliseconds until the receiver has what a lone answer consists of, whose last segments are
 * lost. */
static uint64_t tail_lost(bool sacks, uint32_t segments, uint32_t lost)
{
	net.sacks = sacks;
	connect_with(0, 10 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	assert_int_equal(net.next, net.written);
	for (uint32_t i = 0; i < lost; i++)
		net.drop[i] = net.written + (segments - 1 - i) * 1460;
	uint64_t from = clock_ns;
	write_more(segments * 1460);
	while (net.next != net.written && clock_ns - from < 2000 * MS)
		pass(clock_ns + 2000 * MS, true);
	assert_int_equal(net.next, net.written);
	uint64_t ms = (clock_ns - from) / MS;
	disconnect();
	net.sacks = false;
	return ms;
}

static void a_lost_tail_does_not_wait_for_the_timer(void **state)
{
	uint64_t one = tail_lost(true, 3, 1), two = tail_lost(true, 4, 2),
		 timer = tail_lost(false, 4, 2);

	(void)state;
	printf("# an answer whose tail is lost, 20 ms there and back: last segment %llu ms, last "
	       "two %llu ms; "
	       "without SACK %llu ms\n",
	       (unsigned long long)one, (unsigned long long)two, (unsigned long long)timer);
	assert_in_range(one, 50, 140);
	assert_in_range(two, 50, 110);
	assert_in_range(timer, 150, 500);
}

static uint64_t stall_of_a_hole(bool sacks, unsigned losses)
{
	net.sacks = sacks;
	connect_with(0, 2 * MS);
	pass(clock_ns + 200 * MS, false);
	/* A loss first, so that not the send buffer but congestion limits what is under way. */
	net.copies = 1;
	net.hole = net.next + (1u << 19);
	while (net.hole)
		pass(clock_ns + 100 * MS, true);
	pass(clock_ns + 20 * MS, false);
	net.copies = losses;
	net.hole = net.next + 100000;
	uint64_t from, ms = 0;
	for (uint32_t end = net.hole + 300000; net.next < end; ) {
		from = clock_ns;
		pass(clock_ns + 2000 * MS, true);
		if (clock_ns - from > ms * MS)
			ms = (clock_ns - from) / MS;
	}
	assert_int_equal(net.drop[0] | net.drop[1], 0);
	disconnect();
	net.sacks = false;
	return ms;
}

static void what_is_lost_twice_does_not_wait_for_the_timer(void **state)
{
	uint64_t once = stall_of_a_hole(true, 1), twice = stall_of_a_hole(true, 2),
		 timer = stall_of_a_hole(false, 2);

	(void)state;
	printf("# a hole, 4 ms there and back: lost once %llu ms, twice %llu ms; twice without "
	       "SACK %llu ms\n",
	       (unsigned long long)once, (unsigned long long)twice, (unsigned long long)timer);
	assert_in_range(once, 3, 20);
	assert_in_range(twice, 3, 40);
	assert_in_range(timer, 100, 500);
}

/* A short segment is found lost while nothing can be sent, and then more is written. */
static void what_waits_to_be_sent_again_is_not_written_to(void **state)
{
	(void)state;
	for (int sacks = 0; sacks < 2; sacks++) {
		net.sacks = sacks;
		connect_with(0, 2 * MS);
		net.may_write = net.written;
		pass(clock_ns + 2000 * MS, false);
		net.drop[0] = net.written;
		for (int i = 0; i < 6; i++)
			write_more(100);
		wire_full = true;
		pass(clock_ns + 30 * MS, false);
		write_more(500);
		wire_full = false;
		for (int i = 0; i < 10; i++)
			pass(clock_ns + 300 * MS, false);
		assert_int_equal(net.next, net.written);
		disconnect();
	}
	net.sacks = false;
}

static void a_closed_window_is_asked_after_as_seldom_as_before(void **state)
{
	(void)state;
	connect_with(0, 1 * MS);
	net.window = 0;
	send_tcp(ACK);
	pass(clock_ns + 100 * MS, false);
	net.probes = 0;
	pass(clock_ns + 20000 * MS, false);
	printf("# probes of a closed window in 20 s: %llu\n", (unsigned long long)net.probes);
	assert_in_range(net.probes, 2, 8);
	disconnect();
}

/* Times in 10 s that a timer ends a sleep. */
static unsigned wakes(void)
{
	uint64_t end = clock_ns + 10000 * MS;
	unsigned n = 0;

	for (; clock_ns < end; n++) {
		uint32_t ms = stack_timeout();

		clock_ns += (ms ? ms : 1) * MS;
		deliver();
		stack_tick(&stack);
		while (stream_run())
			;
	}
	return n;
}

static void connections_at_rest_cost_no_wake_ups(void **state)
{
	(void)state;
	unsigned none = wakes();
	connect_with(0, 1 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	assert_int_equal(net.next, net.written);
	unsigned idle = wakes();
	net.cut = true; /* and with one segment that nobody acknowledges there are some */
	write_more(100);
	unsigned waits = wakes();
	disconnect();
	printf("# wake-ups in 10 s: %u without a connection, %u with an idle one, %u with a "
	       "segment under way\n",
	       none, idle, waits);
	assert_in_range(idle, 1, none + 2);
	assert_true(waits > idle + 100);
}

/* Idle for long, it is asked whether it is still there, and given up: by the clock, not by
 * ticks. */
static void a_peer_that_is_gone_is_missed_in_time(void **state)
{
	(void)state;
	connect_with(0, 1 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	net.cut = true;
	uint64_t from = clock_ns;
	while (net.stream && clock_ns - from < 2000000 * MS)
		wakes();
	uint64_t s = (clock_ns - from) / (1000 * MS);
	printf("# a peer that is gone was missed after %llu s\n", (unsigned long long)s);
	assert_in_range(s, 700, 780); /* a minute, and nine times 75 s */
	disconnect();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_percent_of_loss_leaves_what_reno_gets),
		cmocka_unit_test(what_a_driver_took_with_it_is_sent_again_at_once),
		cmocka_unit_test(a_lost_tail_does_not_wait_for_the_timer),
		cmocka_unit_test(what_is_lost_twice_does_not_wait_for_the_timer),
		cmocka_unit_test(what_waits_to_be_sent_again_is_not_written_to),
		cmocka_unit_test(connections_at_rest_cost_no_wake_ups),
		cmocka_unit_test(a_peer_that_is_gone_is_missed_in_time),
		cmocka_unit_test(a_closed_window_is_asked_after_as_seldom_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
