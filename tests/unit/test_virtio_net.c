/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_net.c - the virtio network driver and the net event loop against a device in
 * memory, which may return buffers in any order.
 *
 * Room:   tests/unit.
 */
#include "net_driver.h"

#include "drivers/virtio_net.c"
#include "virtq_device.h"

#define SIZE 64u /* entries of each queue: 32 slots */

struct bench {
	struct netside    side;
	struct virtio_net dev;
	struct vq         rx, tx;
};

/* `state`: see BOTH_KINDS_OF(). */
static void bench_start(struct bench *b, void **state)
{
	struct virtio_net_layout at = virtio_net_layout(SIZE, SIZE);
	bool packed = *(const bool *)*state;

	memset(b, 0, sizeof(*b));
	netside_start(&b->side, at.bytes, 4096);
	b->side.boot.queue[0].param[VIRTIO_NET_PARAM_SIZES] = VIRTIO_NET_SIZES(SIZE, SIZE);
	b->side.boot.queue[0].param[VIRTIO_NET_PARAM_TX_DISTANCE] = 4;
	b->side.boot.queue[0].param[VIRTIO_NET_PARAM_PACKED] = packed;
	b->rx = vq_at(b->side.mem, SIZE, packed);
	b->tx = vq_at(b->side.mem + at.tx, SIZE, packed);
	rf_net_attach(&virtio_net_driver, &b->side.queue, &b->dev, &b->side.boot);
}

static bool turn(struct bench *b)
{
	return netside_turn(&b->side, &virtio_net_driver, &b->dev);
}

/* A frame of `length` bytes that begins with `mark` into the buffer at `head`. */
static void fill(struct bench *b, uint32_t head, struct virtio_net_hdr header, uint32_t mark,
		 uint32_t length)
{
	struct vq_part first = vq_part(&b->rx, head, 0), second = vq_part(&b->rx, head, 1);

	assert_true(first.writable && first.more && !first.indirect);
	assert_int_equal(first.length, sizeof(header));
	assert_true(second.writable && !second.more && !second.indirect);
	assert_int_equal(second.length, 2048);
	header.num_buffers = 1;
	memcpy((void *)(uintptr_t)first.at, &header, sizeof(header));
	memcpy((void *)(uintptr_t)second.at, &mark, sizeof(mark));
	vq_give_back(&b->rx, head, (uint32_t)sizeof(header) + length);
}

static void test_received_frames_in_any_order(void **state)
{
	static struct bench b;
	unsigned seed = 20;

	print_message("seed %u\n", seed);
	bench_start(&b, state);
	netside_buffers(&b.side, 200);
	while (turn(&b))
		;
	for (uint32_t mark = 0; mark < 400;) {
		uint32_t heads[SIZE], n = 0, first = mark;
		while (n < 20 && vq_take(&b.rx, &heads[n]))
			n++;
		assert_int_equal(n, 20);
		while (n) {
			uint32_t pick = (uint32_t)rand_r(&seed) % n;
			fill(&b, heads[pick], (struct virtio_net_hdr){ 0 }, mark, 60 + mark % 7);
			heads[pick] = heads[--n];
			mark++;
		}
		while (turn(&b))
			;
		for (uint32_t i = first; i < mark; i++) {
			struct rf_net_frame f;
			uint32_t value;
			assert_true(netside_next(&b.side, &f));
			assert_int_equal(f.length, 60 + i % 7);
			assert_int_equal(f.flags | f.gso, 0);
			memcpy(&value, b.side.arena + f.at * RF_NET_UNIT, 4);
			assert_int_equal(value, i);
			rf_ring_put(&b.side.free, &f.at, sizeof(f.at));
		}
		rf_ring_publish(&b.side.free);
		while (turn(&b))
			;
	}
	netside_end(&b.side);
}

static void test_header_becomes_flags(void **state)
{
	static const struct {
		struct virtio_net_hdr header;
		uint32_t length, flags, start, offset;
	} table[] = {
		{ { 0 }, 100, 0, 0, 0 },
		{ { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, 100, RF_NET_CSUM_OK, 0, 0 },
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 },
		  100, RF_NET_CSUM, 34, 16 },
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 300 }, 0, RF_NET_CSUM, 44,
		  0 },
		{ { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 }, 0, 0, 0, 0 },
	};
	static struct bench b;
	struct rf_net_frame f;

	bench_start(&b, state);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint32_t head;
		assert_true(vq_take(&b.rx, &head));
		fill(&b, head, table[i].header, 0, 100);
	}
	assert_true(turn(&b));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(netside_next(&b.side, &f));
		assert_int_equal(f.length, table[i].length);
		assert_int_equal(f.flags, table[i].flags);
		assert_int_equal(f.csum_start, table[i].start);
		assert_int_equal(f.csum_offset, table[i].offset);
	}
	netside_end(&b.side);
}

/* The driver ends itself with that code. */
static void ends(struct bench *b, int code)
{
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		turn(b);
	exit_expected = false;
	assert_int_equal(exit_code, code);
	netside_end(&b->side);
}

static void test_lengths_that_cannot_be(void **state)
{
	static const uint32_t lengths[] = { 0xffffffff, 3, HEADER + 2049, HEADER + 2048 };
	static struct bench b;
	struct rf_net_frame f;
	uint32_t head;

	bench_start(&b, state);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	for (size_t i = 0; i < 4; i++) {
		assert_true(vq_take(&b.rx, &head));
		vq_give_back(&b.rx, head, lengths[i]);
	}
	assert_true(turn(&b));
	for (size_t i = 0; i < 4; i++) {
		assert_true(netside_next(&b.side, &f));
		assert_int_equal(f.length, i == 3 ? 2048 : 0);
	}
	netside_end(&b.side);
}

static void test_buffers_of_a_split_queue_it_does_not_have_stay_in_bounds(void **state)
{
	static struct bench b;
	struct rf_net_frame f;

	bench_start(&b, state);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	vq_say(&b.rx, 0xfffffff1, 100, 1);
	vq_say(&b.tx, 0xfffffff1, 100, 1);
	assert_true(turn(&b));
	assert_true(netside_next(&b.side, &f));
	assert_int_equal(f.length, 88);
	assert_in_range(f.at, 0, 32 * 2048 / RF_NET_UNIT - 1);
	vq_used(&b.rx)->idx = (uint16_t)(vq_used(&b.rx)->idx + SIZE + 1);
	ends(&b, RF_DRIVER_EXIT_ANSWER);
}

/* In a packed queue who returns the wrong one has lost the place as well. */
static void test_buffers_of_a_packed_queue_it_does_not_have_end_the_driver(void **state)
{
	static const uint32_t ids[] = { SIZE / 2, 0xffff, 9 /* not given yet */ };
	static struct bench b;
	uint32_t head;

	for (unsigned i = 0; i < 3; i++) {
		bench_start(&b, state);
		netside_buffers(&b.side, 8);
		while (turn(&b))
			;
		vq_say(&b.rx, ids[i], 100, 2);
		ends(&b, RF_DRIVER_EXIT_ANSWER);

		bench_start(&b, state);
		netside_send(&b.side, (struct rf_net_frame){ .at = 1, .length = 60 }, 0);
		assert_true(turn(&b));
		vq_say(&b.tx, ids[i], 0, 2);
		ends(&b, RF_DRIVER_EXIT_ANSWER);
	}
	/* One that it had, twice */
	bench_start(&b, state);
	netside_buffers(&b.side, 8);
	while (turn(&b))
		;
	assert_true(vq_take(&b.rx, &head));
	vq_give_back(&b.rx, head, 100);
	vq_give_back(&b.rx, head, 100);
	ends(&b, RF_DRIVER_EXIT_ANSWER);
}

static void test_sent_frames_come_back_in_order(void **state)
{
	static struct bench b;
	uint32_t heads[32];

	bench_start(&b, state);
	for (unsigned round = 0; round < 10; round++) {
		unsigned rung = bell_writes;
		for (unsigned i = 0; i < 20; i++)
			netside_send(&b.side,
				     (struct rf_net_frame){ .at = i, .length = (uint16_t)(60 + i) },
				     (int)i);
		assert_true(turn(&b));
		assert_int_equal(bell_writes, rung + 1);
		for (unsigned i = 0; i < 20; i++) {
			assert_true(vq_take(&b.tx, &heads[i]));
			struct vq_part header = vq_part(&b.tx, heads[i], 0),
				       data = vq_part(&b.tx, heads[i], 1);
			assert_true(header.more && !header.writable && !header.indirect);
			for (unsigned k = 0; k < sizeof(struct virtio_net_hdr); k++)
				assert_int_equal(header.at[k], 0);
			assert_false(data.more || data.writable || data.indirect);
			assert_int_equal(data.length, 60 + i);
			assert_int_equal(*data.at, i);
		}
		/* The last 19 are done first: none comes back before the oldest is done. */
		for (unsigned i = 19; i >= 1; i--)
			vq_give_back(&b.tx, heads[i], 0);
		turn(&b);
		assert_int_equal(netside_slots_back(&b.side), round * 20);
		vq_give_back(&b.tx, heads[0], 0);
		assert_true(turn(&b));
		assert_int_equal(netside_slots_back(&b.side), round * 20 + 20);
	}
	netside_end(&b.side);
}

static void test_full_queue_takes_what_fits(void **state)
{
	static struct bench b;
	uint32_t head;

	bench_start(&b, state);
	for (unsigned i = 0; i < 100; i++)
		netside_send(&b.side, (struct rf_net_frame){ .at = i, .length = 60 }, 0);
	while (turn(&b))
		;
	assert_int_equal(b.side.queue.tx.own, SIZE / 2);
	for (unsigned sent = 0; sent < 100; sent++) {
		assert_true(vq_take(&b.tx, &head));
		vq_give_back(&b.tx, head, 0);
		while (turn(&b))
			;
	}
	assert_int_equal(netside_slots_back(&b.side), 100);
	netside_end(&b.side);
}

static void test_offloads_and_parts_take_a_table(void **state)
{
	struct rf_net_frame first = { .at = 1, .length = 54, .flags = RF_NET_CSUM | RF_NET_MORE,
				      .gso = RF_NET_GSO_TCP4, .gso_size = 1448, .csum_start = 34,
				      .csum_offset = 16, .l3_start = 14, .l4_bytes = 20 };
	static struct bench b;
	struct virtio_net_hdr h;
	uint32_t head;

	bench_start(&b, state);
	rf_ring_put(&b.side.tx, &first, sizeof(first));
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 9000 }, 1);
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 60 }, 1);
	assert_true(turn(&b));
	assert_true(vq_take(&b.tx, &head));
	struct vq_part all = vq_part(&b.tx, head, 0);
	assert_int_equal(all.length, 3 * sizeof(struct virtq_desc));
	memcpy(&h, vq_in_table(&b.tx, all, 0).at, sizeof(h));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(h.hdr_len, 54);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
	assert_int_equal(vq_in_table(&b.tx, all, 1).length, 54);
	assert_int_equal(vq_in_table(&b.tx, all, 2).length, 9000);
	assert_false(vq_in_table(&b.tx, all, 2).more || vq_in_table(&b.tx, all, 2).writable);
	vq_give_back(&b.tx, head, 0);
	assert_true(vq_take(&b.tx, &head));
	assert_true(vq_part(&b.tx, head, 0).more);
	vq_give_back(&b.tx, head, 0);
	assert_true(turn(&b));
	assert_int_equal(netside_slots_back(&b.side), 3);
	netside_end(&b.side);
}

static void test_interrupts_are_asked_for_before_a_sleep_only(void **state)
{
	static struct bench b;

	bench_start(&b, state);
	assert_true(vq_quiet(&b.rx) && vq_quiet(&b.tx));
	virtio_net_arm(&b.dev, false);
	assert_true(!vq_quiet(&b.rx) && vq_quiet(&b.tx));
	virtio_net_arm(&b.dev, true);
	assert_true(!vq_quiet(&b.rx) && !vq_quiet(&b.tx));
	virtio_net_disarm(&b.dev);
	assert_true(vq_quiet(&b.rx) && vq_quiet(&b.tx));
	netside_end(&b.side);
}

static void test_a_device_that_is_awake_is_not_notified(void **state)
{
	static struct bench b;

	bench_start(&b, state);
	vq_hush(&b.tx, true);
	netside_send(&b.side, (struct rf_net_frame){ .at = 1, .length = 60 }, 0);
	assert_true(turn(&b));
	assert_int_equal(bell_writes, 0);
	vq_hush(&b.tx, false);
	netside_send(&b.side, (struct rf_net_frame){ .at = 2, .length = 60 }, 0);
	assert_true(turn(&b));
	assert_int_equal(bell_writes, 1);
	netside_end(&b.side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS_OF(test_received_frames_in_any_order),
		BOTH_KINDS_OF(test_header_becomes_flags),
		BOTH_KINDS_OF(test_lengths_that_cannot_be),
		cmocka_unit_test_prestate(
			test_buffers_of_a_split_queue_it_does_not_have_stay_in_bounds, &vq_split),
		cmocka_unit_test_prestate(
			test_buffers_of_a_packed_queue_it_does_not_have_end_the_driver, &vq_packed),
		BOTH_KINDS_OF(test_sent_frames_come_back_in_order),
		BOTH_KINDS_OF(test_full_queue_takes_what_fits),
		BOTH_KINDS_OF(test_offloads_and_parts_take_a_table),
		BOTH_KINDS_OF(test_a_device_that_is_awake_is_not_notified),
		BOTH_KINDS_OF(test_interrupts_are_asked_for_before_a_sleep_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
