/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_net.c - the virtio network driver and the net event loop against a device in
 * memory, which may return buffers in any order.
 *
 * Room:   tests/unit.
 */
#include "net_driver.h"

#include "drivers/virtio_net.c"

#define SIZE 64u /* entries of each queue: 32 slots */

/* The device's view of one queue. */
struct vq {
	struct virtq_desc  *desc;
	struct virtq_avail *avail;
	struct virtq_used  *used;
	uint16_t            seen;
};

struct bench {
	struct netside    side;
	struct virtio_net dev;
	struct vq         rx, tx;
};

static struct vq vq_at(unsigned char *mem)
{
	return (struct vq){ .desc = (void *)mem, .avail = (void *)(mem + virtq_avail_at(SIZE)),
			    .used = (void *)(mem + virtq_used_at(SIZE)) };
}

static void bench_start(struct bench *b)
{
	struct virtio_net_layout at = virtio_net_layout(SIZE, SIZE);

	memset(b, 0, sizeof(*b));
	netside_start(&b->side, at.bytes, 4096);
	b->side.boot.queue[0].param[VIRTIO_NET_PARAM_SIZES] = VIRTIO_NET_SIZES(SIZE, SIZE);
	b->side.boot.queue[0].param[VIRTIO_NET_PARAM_TX_DISTANCE] = 4;
	b->rx = vq_at(b->side.mem);
	b->tx = vq_at(b->side.mem + at.tx);
	rf_net_attach(&virtio_net_driver, &b->side.queue, &b->dev, &b->side.boot);
}

static bool turn(struct bench *b)
{
	return rf_net_turn(&virtio_net_driver, &b->side.queue, &b->dev);
}

/* The device takes the head of a chain, if one was shown to it. */
static bool take(struct vq *q, uint32_t *head)
{
	if (q->seen == q->avail->idx)
		return false;
	*head = q->avail->ring[q->seen++ % SIZE];
	assert_in_range(*head, 0, SIZE - 1);
	return true;
}

static void give_back(struct vq *q, uint32_t head, uint32_t length)
{
	q->used->ring[q->used->idx % SIZE] = (struct virtq_used_elem){ .id = head, .len = length };
	q->used->idx++;
}

/* A frame of `length` bytes that begins with `mark` into the buffer at `head`. */
static void fill(struct bench *b, uint32_t head, struct virtio_net_hdr header, uint32_t mark, uint32_t length)
{
	const struct virtq_desc *first = &b->rx.desc[head], *second;

	assert_int_equal(first->flags, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT);
	assert_int_equal(first->len, sizeof(header));
	second = &b->rx.desc[first->next];
	assert_int_equal(second->flags, VIRTQ_DESC_F_WRITE);
	assert_int_equal(second->len, 2048);
	header.num_buffers = 1;
	memcpy((void *)(uintptr_t)first->addr, &header, sizeof(header));
	memcpy((void *)(uintptr_t)second->addr, &mark, sizeof(mark));
	give_back(&b->rx, head, (uint32_t)sizeof(header) + length);
}

static void test_received_frames_in_any_order(void **state)
{
	static struct bench b;
	unsigned seed = 20;

	(void)state;
	print_message("seed %u\n", seed);
	bench_start(&b);
	netside_buffers(&b.side, 200);
	while (turn(&b))
		;
	for (uint32_t mark = 0; mark < 400;) {
		uint32_t heads[SIZE], n = 0, first = mark;
		while (n < 20 && take(&b.rx, &heads[n]))
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
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 }, 100, RF_NET_CSUM, 34, 16 },
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 300 }, 0, RF_NET_CSUM, 44, 0 },
		{ { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 }, 0, 0, 0, 0 },
	};
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint32_t head;
		assert_true(take(&b.rx, &head));
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

static void test_lies_of_the_device_stay_in_bounds(void **state)
{
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	give_back(&b.rx, 0xfffffff1, 100);
	give_back(&b.rx, 4, 0xffffffff);
	give_back(&b.rx, 4, 3);
	assert_true(turn(&b));
	assert_true(netside_next(&b.side, &f));
	assert_int_equal(f.length, 88);
	for (int i = 0; i < 2; i++) {
		assert_true(netside_next(&b.side, &f));
		assert_int_equal(f.length, 0);
	}
	b.rx.used->idx = (uint16_t)(b.rx.used->idx + SIZE + 1);
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		turn(&b);
	exit_expected = false;
	assert_int_equal(exit_code, RF_EXIT_ANSWER);
	netside_end(&b.side);
}

static void test_sent_frames_come_back_in_order(void **state)
{
	static struct bench b;
	uint32_t heads[32];

	(void)state;
	bench_start(&b);
	for (unsigned round = 0; round < 10; round++) {
		unsigned rung = bell_writes;
		for (unsigned i = 0; i < 20; i++)
			netside_send(&b.side, (struct rf_net_frame){ .at = i, .length = (uint16_t)(60 + i) }, (int)i);
		assert_true(turn(&b));
		assert_int_equal(bell_writes, rung + 1);
		for (unsigned i = 0; i < 20; i++) {
			assert_true(take(&b.tx, &heads[i]));
			const struct virtq_desc *header = &b.tx.desc[heads[i]], *data = &b.tx.desc[header->next];
			const char *h = (const char *)(uintptr_t)header->addr;
			assert_int_equal(header->flags, VIRTQ_DESC_F_NEXT);
			for (unsigned k = 0; k < sizeof(struct virtio_net_hdr); k++)
				assert_int_equal(h[k], 0);
			assert_int_equal(data->rest, 60 + i);
			assert_int_equal(*(unsigned char *)(uintptr_t)data->addr, i);
		}
		/* The last 19 are done first: none comes back before the oldest is done. */
		for (unsigned i = 19; i >= 1; i--)
			give_back(&b.tx, heads[i], 0);
		turn(&b);
		assert_int_equal(netside_slots_back(&b.side), round * 20);
		give_back(&b.tx, heads[0], 0);
		assert_true(turn(&b));
		assert_int_equal(netside_slots_back(&b.side), round * 20 + 20);
	}
	netside_end(&b.side);
}

static void test_full_queue_takes_what_fits(void **state)
{
	static struct bench b;
	uint32_t head;

	(void)state;
	bench_start(&b);
	for (unsigned i = 0; i < 100; i++)
		netside_send(&b.side, (struct rf_net_frame){ .at = i, .length = 60 }, 0);
	while (turn(&b))
		;
	assert_int_equal(b.side.queue.tx.own, SIZE / 2);
	for (unsigned sent = 0; sent < 100; sent++) {
		assert_true(take(&b.tx, &head));
		give_back(&b.tx, head, 0);
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

	(void)state;
	bench_start(&b);
	rf_ring_put(&b.side.tx, &first, sizeof(first));
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 9000 }, 1);
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 60 }, 1);
	assert_true(turn(&b));
	assert_true(take(&b.tx, &head));
	assert_int_equal(b.tx.desc[head].flags, VIRTQ_DESC_F_INDIRECT);
	assert_int_equal(b.tx.desc[head].len, 3 * sizeof(struct virtq_desc));
	const struct virtq_desc *table = (void *)(uintptr_t)b.tx.desc[head].addr;
	memcpy(&h, (void *)(uintptr_t)table[0].addr, sizeof(h));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(h.hdr_len, 54);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
	assert_int_equal(table[1].len, 54);
	assert_int_equal(table[table[1].next].len, 9000);
	assert_int_equal(table[table[1].next].flags, 0);
	give_back(&b.tx, head, 0);
	assert_true(take(&b.tx, &head));
	assert_int_equal(b.tx.desc[head].flags, VIRTQ_DESC_F_NEXT);
	give_back(&b.tx, head, 0);
	assert_true(turn(&b));
	assert_int_equal(netside_slots_back(&b.side), 3);
	netside_end(&b.side);
}

static void test_interrupts_are_asked_for_before_a_sleep_only(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	assert_int_equal(b.rx.avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
	assert_int_equal(b.tx.avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
	virtio_net_arm(&b.dev, false);
	assert_int_equal(b.rx.avail->flags, 0);
	assert_int_equal(b.tx.avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
	virtio_net_arm(&b.dev, true);
	assert_int_equal(b.tx.avail->flags, 0);
	virtio_net_disarm(&b.dev);
	assert_int_equal(b.rx.avail->flags & b.tx.avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
	netside_end(&b.side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received_frames_in_any_order),
		cmocka_unit_test(test_header_becomes_flags),
		cmocka_unit_test(test_lies_of_the_device_stay_in_bounds),
		cmocka_unit_test(test_sent_frames_come_back_in_order),
		cmocka_unit_test(test_full_queue_takes_what_fits),
		cmocka_unit_test(test_offloads_and_parts_take_a_table),
		cmocka_unit_test(test_interrupts_are_asked_for_before_a_sleep_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
