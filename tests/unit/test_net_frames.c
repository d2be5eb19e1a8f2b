/* SPDX-License-Identifier: MIT */
/*
 * test_net_frames.c - the net service against a driver that is honest, mistaken or lying.
 *
 * Room:   tests/unit. The test is driver and device process; see net_fixture.h.
 */
#include "net_fixture.h"

#define ALL (RF_NET_HAS_TX_CSUM | RF_NET_HAS_RX_CSUM | RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6 | \
	     RF_NET_HAS_VLAN | RF_NET_HAS_LINK | RF_NET_HAS_SG | RF_NET_HAS_RX_GSO)

static void frames_go_both_ways_and_buffers_come_back(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f, got[RF_NET_PARTS];

	(void)state;
	assert_int_equal(driver_buffers(t), BUFFERS);
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t at = driver_receive(t, (uint16_t)(60 + round % 1400));

		assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
		assert_int_equal(got[0].at, at);
		assert_int_equal(got[0].length, 60 + round % 1400);
		rf_net_rx_done(t->n, got, 1);
		at = say(t, 100);
		assert_true(driver_take(t, &f));
		assert_int_equal(f.at, at);
		assert_int_equal(f.length, 100);
		driver_sent(t);
	}
	assert_int_equal(driver_buffers(t), BUFFERS);
	rf_net_tick(t->n);
	struct rf_stats_net *s = rf_net_stats(t->n);
	assert_int_equal(s->rx_frames, 5000);
	assert_int_equal(s->tx_frames, 5000);
	assert_int_equal(s->tx_done, 5000);
	assert_int_equal(s->tx_bytes, 500000);
	netted_no_proto_error(t);
	netted_free(t);
}

static void what_is_forwarded_is_not_copied(void **state)
{
	struct netted *t = netted_new(0);
	struct rf_net_frame f, got[RF_NET_PARTS];

	(void)state;
	for (uint32_t round = 0; round < 3000; round++) {
		uint32_t at = driver_buffer(t);

		/* The device's word about the checksum is no request to make one. */
		driver_put(t, (struct rf_net_frame){ .at = at,
						     .length = 60,
						     .flags = RF_NET_CSUM_OK,
						     .gso_size = 77 });
		driver_publish(t);
		assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
		assert_int_equal(rf_net_forward(t->n, got, 1), 1);
		rf_net_push(t->n);
		assert_true(driver_take(t, &f));
		assert_int_equal(f.at, at);
		assert_int_equal(f.flags | f.gso | f.gso_size, 0);
		driver_sent(t);
	}
	rf_net_tick(t->n);
	rf_net_push(t->n);
	assert_int_equal(driver_buffers(t), BUFFERS);
	netted_free(t);
}

static void frames_of_many_parts_come_whole(void **state)
{
	struct netted *t = netted_new(ALL);
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	/* Published in pieces, and a plain frame behind it. */
	for (uint32_t i = 0; i < 5; i++) {
		driver_put(t, (struct rf_net_frame){ .at = driver_buffer(t), .length = 2048,
			.flags = (uint8_t)(RF_NET_MORE | (i ? 0 : RF_NET_CSUM)),
			.gso = i ? 0 : RF_NET_GSO_TCP4, .gso_size = i ? 0 : 1460,
			.csum_start = i ? 0 : 34, .csum_offset = i ? 0 : 16 });
		driver_publish(t);
		assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 0);
	}
	driver_put(t, (struct rf_net_frame){ .at = driver_buffer(t), .length = 10 });
	driver_receive(t, 60);
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 7);
	assert_int_equal(got[0].gso, RF_NET_GSO_TCP4);
	assert_int_equal(got[5].length, 10);
	assert_int_equal(got[6].length, 60);
	rf_net_rx_done(t->n, got, 7);
	rf_net_push(t->n);
	assert_int_equal(driver_buffers(t), BUFFERS);
	assert_int_equal(t->n->count.rx_frames, 2);
	assert_int_equal(t->n->count.rx_bytes, 5 * 2048 + 10 + 60);
	netted_no_proto_error(t);
	netted_free(t);
}

/* A frame that finds no room in the caller's array waits, whole. */
static void a_chain_waits_for_room(void **state)
{
	struct netted *t = netted_new(ALL);
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		driver_receive(t, 60);
	for (uint32_t i = 0; i < 20; i++)
		driver_put(t, (struct rf_net_frame){ .at = driver_buffer(t), .length = 60,
						     .flags = i < 19 ? RF_NET_MORE : 0 });
	driver_publish(t);
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 20);
	rf_net_rx_done(t->n, got, 20);
	assert_false(rf_net_sleep(t->n, false));
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 20);
	rf_net_rx_done(t->n, got, 20);
	assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 0);
	assert_true(rf_net_sleep(t->n, false));
	rf_net_wake(t->n, false);
	netted_no_proto_error(t);
	netted_free(t);
}

/* Peers may send what they like: it is dropped, counted, and nobody's lie. */
static void malformed_frames_are_dropped(void **state)
{
	static const uint16_t bad[] = { 1, 13, 1519, 2048 }, good[] = { 14, 60, 1514, 1518 };
	struct netted *t = netted_new(ALL);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		driver_receive(t, bad[i]);
		assert_int_equal(drink(t), 0);
		driver_receive(t, good[i]);
		assert_int_equal(drink(t), 1);
	}
	/* Two parts that are a jumbo together; a first part that is no header. */
	driver_put(t, (struct rf_net_frame){
			      .at = driver_buffer(t), .length = 1500, .flags = RF_NET_MORE });
	driver_receive(t, 19);
	assert_int_equal(drink(t), 0);
	driver_put(t, (struct rf_net_frame){
			      .at = driver_buffer(t), .length = 13, .flags = RF_NET_MORE });
	driver_receive(t, 1000);
	assert_int_equal(drink(t), 0);
	/* Given back empty: not even that. */
	driver_receive(t, 0);
	assert_int_equal(drink(t), 0);
	assert_int_equal(t->n->count.rx_bad, 6);
	assert_int_equal(t->n->count.rx_frames, 4);
	assert_int_equal(driver_buffers(t), BUFFERS);
	netted_no_proto_error(t);
	netted_free(t);
}

/* ---- lies ---------------------------------------------------------------------------- */

/* Every index a driver could publish that is not within the ring. */
static void every_impossible_tail_is_a_lie(void **state)
{
	static const uint32_t deltas[] = {
		RF_NET_DEPTH + 1, RF_NET_DEPTH + 2,          4096,           65536,     1u << 30,
		1u << 31,         UINT32_MAX - RF_NET_DEPTH, UINT32_MAX - 1, UINT32_MAX
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
		struct netted *t = netted_new(0);

		driver_receive(t, 60);
		assert_int_equal(drink(t), 1);
		atomic_store(&ring_of(t->chan->rx.bytes)->tail, 1 + deltas[i]);
		assert_int_equal(drink(t), 0);
		assert_int_equal(netted_proto_error(t), RF_BAD_INDEX);
		netted_free(t);
	}
}

/* Sent slots: every delta there is, from none to all the ring, and beyond. */
static void slots_never_sent_cannot_come_back(void **state)
{
	(void)state;
	for (uint32_t sent = 0; sent <= 3; sent++) {
		for (uint32_t delta = 0; delta <= RF_NET_DEPTH + 8; delta++) {
			struct netted *t = netted_new(0);

			for (uint32_t i = 0; i < sent; i++)
				say(t, 60);
			atomic_store(&ring_of(t->chan->tx.bytes)->head, delta <= RF_NET_DEPTH ?
				     delta : delta - RF_NET_DEPTH - 9);
			rf_net_tick(t->n);
			if (delta <= sent)
				netted_no_proto_error(t);
			else
				assert_int_equal(netted_proto_error(t), RF_BAD_INDEX);
			assert_int_equal(t->n->count.tx_done, delta <= sent ? delta : 0);
			netted_free(t);
			if (delta > 8 && delta < RF_NET_DEPTH - 8)
				delta += 101;
		}
	}
}

/* A buffer is named by its first byte, in its own half, once. */
static void only_a_buffer_it_has_can_come_from_a_driver(void **state)
{
	struct netted *honest = netted_new(0);
	const uint32_t units = 2048 / RF_NET_UNIT, base = honest->n->rx_base;
	const uint32_t places[] = {
		base + 1,
		base + units - 1,
		base + units / 2, /* within a buffer */
		/* the other half, or below the arena */
		base - units,
		base + BUFFERS * units, /* behind the last */
		ARENA / RF_NET_UNIT,
		ARENA / RF_NET_UNIT - 1,
		honest->n->tx_base,
		base + (1u << 31),
		base + (1u << 27),
		base | 0x80000000u,
		UINT32_MAX,
		UINT32_MAX - units + 1,
	};

	(void)state;
	netted_free(honest);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct netted *t = netted_new(0);

		driver_put(t, (struct rf_net_frame){ .at = places[i], .length = 60 });
		driver_publish(t);
		assert_int_equal(drink(t), 0);
		assert_int_equal(netted_proto_error(t), RF_BAD_BUFFER);
		netted_free(t);
	}
}

static void a_buffer_cannot_come_twice(void **state)
{
	struct rf_net_frame got[RF_NET_PARTS];

	(void)state;
	for (int held = 0; held < 2; held++) {
		struct netted *t = netted_new(0);
		uint32_t at = driver_receive(t, 60);

		if (held)
			assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 1);
		driver_put(t, (struct rf_net_frame){ .at = at, .length = 60 });
		driver_publish(t);
		assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), held ? 0 : 1);
		assert_int_equal(netted_proto_error(t), RF_BAD_BUFFER);
		/* Nothing of it is listened to any more. */
		driver_receive(t, 60);
		assert_int_equal(rf_net_rx(t->n, got, RF_NET_PARTS), 0);
		assert_int_equal(rf_net_tx_room(t->n, 1), 0);
		netted_free(t);
	}
}

static void impossible_frames_are_lies(void **state)
{
	static const struct rf_net_frame bad[] = {
		{ .length = 2049 }, { .length = 65535 },
		{ .length = 60, .flags = 0x10 }, { .length = 60, .flags = 0xff },
		{ .length = 60, .gso = 3 }, { .length = 60, .gso = 255, .flags = RF_NET_CSUM },
		{ .length = 60, .flags = RF_NET_CSUM, .csum_start = 50, .csum_offset = 9 },
		{ .length = 60, .flags = RF_NET_CSUM, .csum_start = 255, .csum_offset = 255 },
		{ .length = 60, .gso = RF_NET_GSO_TCP4, .gso_size = 100 },
		{ .length = 60, .gso = RF_NET_GSO_TCP4, .flags = RF_NET_CSUM, .csum_start = 34,
		  .csum_offset = 16 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct netted *t = netted_new(ALL);
		struct rf_net_frame f = bad[i];

		f.at = driver_buffer(t);
		driver_put(t, f);
		driver_publish(t);
		assert_int_equal(drink(t), 0);
		assert_int_equal(netted_proto_error(t), RF_BAD_FRAME);
		netted_free(t);
	}
}

/* Glued frames come from devices that may glue them, and no others. */
static void no_device_glues_unasked(void **state)
{
	(void)state;
	for (int may = 0; may < 2; may++) {
		struct netted *t = netted_new(may ? ALL : ALL & ~RF_NET_HAS_RX_GSO);

		driver_put(t, (struct rf_net_frame){ .at = driver_buffer(t),
						     .length = 1500,
						     .flags = RF_NET_CSUM,
						     .gso = RF_NET_GSO_TCP4,
						     .gso_size = 500,
						     .csum_start = 34,
						     .csum_offset = 16 });
		driver_publish(t);
		assert_int_equal(drink(t), may);
		if (!may)
			assert_int_equal(netted_proto_error(t), RF_BAD_FRAME);
		netted_free(t);
	}
}

static void chains_end(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct netted *t = netted_new(ALL);

		for (uint32_t i = 0; i <= RF_NET_PARTS; i++)
			driver_put(t,
				   (struct rf_net_frame){
					   .at = driver_buffer(t),
					   .length = 20,
					   .flags = (uint8_t)(RF_NET_MORE |
							      (kind == 1 && i ? RF_NET_VLAN : 0)),
					   .gso = kind == 2 && i });
		driver_publish(t);
		assert_int_equal(drink(t), 0);
		assert_int_equal(netted_proto_error(t), RF_BAD_FRAME);
		netted_free(t);
	}
}

/* Whatever a driver writes: no crash, no frame out of bounds, no buffer given away twice. */
static void random_records_do_no_harm(void **state)
{
	uint64_t seed = 0x5eed, x = seed;

	(void)state;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (int round = 0; round < 1000; round++) {
		struct netted *t = netted_new(ALL);

		for (int i = 0; i < 100 && t->n->session.state == RF_DRIVER_UP; i++) {
			struct rf_net_frame f, got[RF_NET_PARTS];

			for (unsigned w = 0; w < 2; w++) {
				x = x * 6364136223846793005ull + 1442695040888963407ull;
				memcpy((char *)&f + 8 * w, &x, 8);
			}
			if (driver_buffers(t) && x >> 60)
				f.at = driver_buffer(t);
			f.length &= 0xfff;
			f.flags &= x >> 56 & 1 ? 0x0f : 0x07;
			f.gso &= 3;
			driver_put(t, f);
			driver_publish(t);
			unsigned n = rf_net_rx(t->n, got, RF_NET_PARTS);
			for (unsigned k = 0; k < n; k++)
				assert_true((uint64_t)got[k].at * RF_NET_UNIT + got[k].length <=
					    rf_net_tx_at(&t->n->info));
			rf_net_rx_done(t->n, got, n);
			rf_net_push(t->n);
		}
		uint32_t posted = 0;
		for (uint32_t i = 0; i < BUFFERS; i++)
			posted += t->n->buffer[i] == RF_BUFFER_POSTED;
		assert_true(posted + t->n->chain_count + 1 >= BUFFERS);
		netted_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_both_ways_and_buffers_come_back),
		cmocka_unit_test(what_is_forwarded_is_not_copied),
		cmocka_unit_test(frames_of_many_parts_come_whole),
		cmocka_unit_test(a_chain_waits_for_room),
		cmocka_unit_test(malformed_frames_are_dropped),
		cmocka_unit_test(every_impossible_tail_is_a_lie),
		cmocka_unit_test(slots_never_sent_cannot_come_back),
		cmocka_unit_test(only_a_buffer_it_has_can_come_from_a_driver),
		cmocka_unit_test(a_buffer_cannot_come_twice),
		cmocka_unit_test(impossible_frames_are_lies),
		cmocka_unit_test(no_device_glues_unasked),
		cmocka_unit_test(chains_end),
		cmocka_unit_test(random_records_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
