/* SPDX-License-Identifier: MIT */
/*
 * test_e1000e.c - the 82574 driver and the net event loop against a controller in memory:
 * IOVA equals address, tails are words the controller below looks at.
 *
 * Room:   tests/unit. Includes the driver's source.
 */
#include "net_driver.h"

#include "drivers/e1000e.c"

#define ENTRIES 64u
#define WIRE    256u
/* Tails in the two pages the driver has. */
#define RDT_AT  (E1000E_RDT % RF_PAGE)
#define TDT_AT  (RDT_AT + E1000E_TDT_DISTANCE)

/* ---- one driver, its service and its controller --------------------------------------- */

/* What came out of the wire: a frame's descriptors as the controller saw them. */
struct sent {
	uint64_t context[2]; /* in force */
	uint64_t bits;       /* word 1 of the last descriptor */
	uint32_t bytes, pieces;
	unsigned char data[128]; /* its beginning */
};

struct bench {
	struct netside      side;
	struct intel_queues dev;
	uint32_t rdh, tdh;
	uint64_t context[2];
	unsigned contexts;
	struct sent sent[WIRE];
	unsigned sent_count;
};

static uint32_t tail_of(const struct bench *b, uint32_t at)
{
	uint32_t value;

	memcpy(&value, b->side.regs + at, 4);
	return value;
}

static void bench_start(struct bench *b)
{
	uint64_t bytes = e1000e_queue_bytes(ENTRIES, ENTRIES);

	memset(b, 0, sizeof(*b));
	netside_start(&b->side, bytes, 2 * RF_PAGE);
	b->side.boot.queue[0].regs += RDT_AT;
	b->side.boot.queue[0].param[E1000E_PARAM_RX_ENTRIES] = ENTRIES;
	b->side.boot.queue[0].param[E1000E_PARAM_TX_ENTRIES] = ENTRIES;
	rf_net_attach(&e1000e_driver, &b->side.queue, &b->dev, &b->side.boot);
}

static bool turn(struct bench *b)
{
	return netside_turn(&b->side, &e1000e_driver, &b->dev);
}

static void give_buffers(struct bench *b, uint32_t n)
{
	netside_buffers(&b->side, n);
	while (turn(b))
		;
}

static struct e1000e_desc *rx_desc(struct bench *b, uint32_t at)
{
	return (struct e1000e_desc *)(void *)b->side.mem + at;
}

static struct e1000e_desc *tx_desc(struct bench *b, uint32_t at)
{
	return (struct e1000e_desc *)(void *)(b->side.mem + e1000e_queue_tx(ENTRIES)) + at;
}

/* The controller receives a frame that begins with `mark`, if it has a buffer: 7.1.4. */
static bool wire_in(struct bench *b, uint64_t status, uint32_t mark, uint32_t length)
{
	struct e1000e_desc *d = rx_desc(b, b->rdh);

	if (b->rdh == tail_of(b, RDT_AT))
		return false;
	assert_int_equal(d->word[1], 0);
	memset((void *)(uintptr_t)d->word[0], 0, length);
	memcpy((void *)(uintptr_t)d->word[0], &mark, sizeof(mark));
	d->word[1] = length | 0xbeef0000u | E1000E_RXD_DD | status;
	b->rdh = (b->rdh + 1) % ENTRIES;
	return true;
}

/* The controller fetches up to `most` descriptors: 7.2. */
static void wire_out(struct bench *b, unsigned most)
{
	struct sent *s = &b->sent[b->sent_count];

	for (; most && b->tdh != tail_of(b, TDT_AT); most--) {
		struct e1000e_desc *d = tx_desc(b, b->tdh);
		uint64_t w = d->word[1];

		b->tdh = (b->tdh + 1) % ENTRIES;
		assert_true(w & E1000E_TXD_DEXT);
		assert_false(w & E1000E_TXD_DD);
		if (w & E1000E_TXD_RS)
			d->word[1] |= E1000E_TXD_DD;
		if (!(w & E1000E_TXD_DATA)) {
			b->context[0] = d->word[0];
			b->context[1] = w;
			b->contexts++;
			continue;
		}
		uint32_t length = w & 0xfffff;
		assert_in_range(length, 1, INTEL_PIECE);
		for (uint32_t i = 0; i < length && s->bytes + i < sizeof(s->data); i++)
			s->data[s->bytes + i] = ((unsigned char *)(uintptr_t)d->word[0])[i];
		s->bytes += length;
		s->pieces++;
		if (!(w & E1000E_TXD_EOP))
			continue;
		s->bits = w & ~0xfffffull;
		memcpy(s->context, b->context, sizeof(s->context));
		s = &b->sent[++b->sent_count];
		assert_in_range(b->sent_count, 1, WIRE - 1);
	}
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_received_frames_come_in_their_buffers(void **state)
{
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	give_buffers(&b, 200);
	/* All entries but one hold a buffer. */
	assert_int_equal(tail_of(&b, RDT_AT), ENTRIES - 1);
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 40; i++)
			assert_true(wire_in(&b, E1000E_RXD_EOP, i, 60 + i));
		while (turn(&b))
			;
		assert_int_equal(rf_ring_ready(&b.side.rx), 40);
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t value;
			rf_ring_take(&b.side.rx, &f, sizeof(f));
			assert_int_equal(f.length, 60 + i);
			assert_int_equal(f.flags | f.gso | f.gso_size | f.csum_start |
						 f.csum_offset | f.vlan,
					 0);
			memcpy(&value, b.side.arena + f.at * RF_NET_UNIT, 4);
			assert_int_equal(value, i);
			assert_int_equal(f.at % (2048 / RF_NET_UNIT), 0);
			rf_ring_put(&b.side.free, &f.at, sizeof(f.at));
		}
		rf_ring_publish(&b.side.free);
		rf_ring_release(&b.side.rx);
		while (turn(&b))
			;
	}
	netside_end(&b.side);
}

static void test_device_drops_when_there_is_no_buffer(void **state)
{
	static struct bench b;
	uint32_t i = 0;

	(void)state;
	bench_start(&b);
	give_buffers(&b, 10);
	while (wire_in(&b, E1000E_RXD_EOP, i, 60))
		i++;
	assert_int_equal(i, 10);
	assert_true(turn(&b));
	assert_int_equal(rf_ring_ready(&b.side.rx), 10);
	netside_end(&b.side);
}

/* Descriptors behind the tail still say "done" from the round before. */
static void test_all_buffers_used_up_round_after_round(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	give_buffers(&b, ENTRIES - 1);
	for (unsigned round = 0; round < 5; round++) {
		struct rf_net_frame f;
		unsigned got = 0;

		do {
			while (wire_in(&b, E1000E_RXD_EOP, 0, 60))
				;
			for (unsigned turns = 0; turn(&b); turns++)
				assert_in_range(turns, 0, 100);
		} while (b.side.queue.room - b.side.queue.wanting);
		assert_false(e1000e_pending(&b.dev, true));
		for (; rf_ring_ready(&b.side.rx) > 0; got++) {
			rf_ring_take(&b.side.rx, &f, sizeof(f));
			rf_ring_put(&b.side.free, &f.at, sizeof(f.at));
		}
		assert_int_equal(got, ENTRIES - 1);
		rf_ring_publish(&b.side.free);
		while (turn(&b))
			;
	}
	netside_end(&b.side);
}

static void test_status_becomes_flags(void **state)
{
	static const struct {
		uint64_t status;
		uint32_t length, flags, vlan;
	} table[] = {
		{ E1000E_RXD_EOP, 100, 0, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_TCPCS | E1000E_RXD_IPCS, 100, RF_NET_CSUM_OK, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_TCPCS | E1000E_RXD_TCPE, 100, 0, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_TCPCS | E1000E_RXD_IPE, 100, 0, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_TCPCS | E1000E_RXD_IXSM, 100, 0, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_VP | 0x123ull << 48, 100, RF_NET_VLAN, 0x123 },
		{ E1000E_RXD_EOP | E1000E_RXD_VP | E1000E_RXD_TCPCS | 5ull << 48, 100,
		  RF_NET_VLAN | RF_NET_CSUM_OK, 5 },
		{ E1000E_RXD_EOP | E1000E_RXD_CE, 0, 0, 0 },
		{ E1000E_RXD_EOP | E1000E_RXD_RXE, 0, 0, 0 },
		{ 0, 100, RF_NET_MORE, 0 },
	};
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	give_buffers(&b, 20);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_true(wire_in(&b, table[i].status, 0, 100));
	assert_true(turn(&b));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(rf_ring_ready(&b.side.rx) > 0);
		rf_ring_take(&b.side.rx, &f, sizeof(f));
		assert_int_equal(f.at, i * 2048 / RF_NET_UNIT);
		assert_int_equal(f.length, table[i].length);
		assert_int_equal(f.flags, table[i].flags);
		assert_int_equal(f.vlan, table[i].vlan);
	}
	netside_end(&b.side);
}

static void test_a_batch_rings_once_and_is_reaped_as_one(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	for (unsigned round = 0; round < 20; round++) {
		unsigned rung = bell_writes, before = b.sent_count = 0;

		memset(b.sent, 0, sizeof(b.sent));
		for (unsigned i = 0; i < 32; i++)
			netside_send(&b.side,
				     (struct rf_net_frame){ .at = i,
							    .length = (uint16_t)(60 + i % 4) },
				     (int)i);
		assert_true(turn(&b));
		assert_int_equal(bell_writes, rung + 1);
		wire_out(&b, 31);
		turn(&b);
		assert_int_equal(netside_slots_back(&b.side), round * 32);
		wire_out(&b, 100);
		assert_true(turn(&b));
		assert_int_equal(netside_slots_back(&b.side), round * 32 + 32);
		assert_int_equal(b.sent_count, before + 32);
		for (unsigned i = 0; i < 32; i++) {
			assert_int_equal(b.sent[i].bytes, 60 + i % 4);
			assert_int_equal(b.sent[i].data[0], i);
			assert_int_equal(b.sent[i].bits & ~E1000E_TXD_RS, TX_PLAIN);
		}
	}
	assert_int_equal(b.contexts, 0);
	netside_end(&b.side);
}

static void test_full_ring_takes_what_fits_and_goes_on(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	for (unsigned i = 0; i < 150; i++)
		netside_send(&b.side, (struct rf_net_frame){ .at = i, .length = 60 }, (int)i);
	while (turn(&b))
		;
	assert_true(b.side.queue.blocked);
	assert_int_equal(b.side.queue.tx.own, ENTRIES - 1);
	for (unsigned i = 0; i < 200 && b.sent_count < 150; i++) {
		wire_out(&b, 7);
		while (turn(&b))
			;
	}
	assert_int_equal(b.sent_count, 150);
	assert_int_equal(netside_slots_back(&b.side), 150);
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(b.sent[i].data[0], i & 0xff);
	netside_end(&b.side);
}

static void test_checksum_context_is_sent_when_it_changes(void **state)
{
	struct rf_net_frame tcp = { .length = 200,
				    .flags = RF_NET_CSUM,
				    .csum_start = 34,
				    .csum_offset = 16,
				    .l3_start = 14 };
	struct rf_net_frame udp = tcp;
	static struct bench b;

	(void)state;
	udp.csum_offset = 6;
	bench_start(&b);
	netside_send(&b.side, tcp, 1);
	netside_send(&b.side, tcp, 1);
	netside_send(&b.side, (struct rf_net_frame){ .length = 60 }, 1);
	netside_send(&b.side, tcp, 1);
	netside_send(&b.side, udp, 1);
	assert_true(turn(&b));
	wire_out(&b, 100);
	assert_true(turn(&b));
	assert_int_equal(b.sent_count, 5);
	assert_int_equal(b.contexts, 2);
	assert_int_equal(netside_slots_back(&b.side), 5);
	assert_int_equal(b.sent[0].context[0], 14 | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40);
	assert_int_equal(b.sent[0].context[1], E1000E_CTX_DEXT | E1000E_CTX_TCP);
	assert_int_equal(b.sent[4].context[1], E1000E_CTX_DEXT);
	assert_int_equal(b.sent[4].context[0] >> 40 & 0xff, 40);
	assert_true(b.sent[3].bits & E1000E_TXD_TXSM);
	assert_false(b.sent[2].bits & E1000E_TXD_TXSM);
	netside_end(&b.side);
}

static void test_segmentation_in_parts_with_a_tag(void **state)
{
	struct rf_net_frame head = { .at = 10,
				     .length = 60,
				     .flags = RF_NET_CSUM | RF_NET_MORE | RF_NET_VLAN,
				     .gso = RF_NET_GSO_TCP4,
				     .gso_size = 1448,
				     .csum_start = 34,
				     .csum_offset = 16,
				     .l3_start = 14,
				     .l4_bytes = 20,
				     .vlan = 0x64 };
	static struct bench b;

	(void)state;
	bench_start(&b);
	/* A batch that ends within the frame leaves all of it for the next one. */
	for (unsigned i = 0; i < RF_NET_BATCH - 1; i++)
		rf_ring_put(&b.side.tx, &(struct rf_net_frame){ .length = 60 }, sizeof(head));
	rf_ring_put(&b.side.tx, &head, sizeof(head));
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 20000 }, 2);
	assert_true(turn(&b));
	wire_out(&b, 100);
	assert_int_equal(b.sent_count, RF_NET_BATCH - 1);
	b.sent_count = 0;
	memset(b.sent, 0, sizeof(b.sent));
	assert_true(turn(&b));
	wire_out(&b, 100);
	assert_true(turn(&b));
	assert_int_equal(netside_slots_back(&b.side), RF_NET_BATCH + 1);
	assert_int_equal(b.sent_count, 1);
	assert_int_equal(b.sent[0].bytes, 20060);
	assert_int_equal(b.sent[0].pieces, 4);
	assert_int_equal(b.sent[0].bits >> 48, 0x64);
	assert_int_equal(b.sent[0].bits & (E1000E_TXD_TSE | E1000E_TXD_IXSM | E1000E_TXD_TXSM |
					   E1000E_TXD_VLE),
			 E1000E_TXD_TSE | E1000E_TXD_IXSM | E1000E_TXD_TXSM | E1000E_TXD_VLE);
	assert_int_equal(b.sent[0].context[1], E1000E_CTX_DEXT | E1000E_CTX_TCP | E1000E_CTX_TSE |
						       E1000E_CTX_IPV4 | E1000E_CTX_HDRLEN(54) |
						       E1000E_CTX_MSS(1448) | (20060 - 54));
	netside_end(&b.side);
}

static void test_pending_sees_both_directions(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	give_buffers(&b, 4);
	assert_false(e1000e_pending(&b.dev, true));
	netside_send(&b.side, (struct rf_net_frame){ .length = 60 }, 1);
	turn(&b);
	assert_false(e1000e_pending(&b.dev, true));
	wire_out(&b, 1);
	assert_true(e1000e_pending(&b.dev, true));
	assert_false(e1000e_pending(&b.dev, false));
	turn(&b);
	assert_false(e1000e_pending(&b.dev, true));
	assert_true(wire_in(&b, E1000E_RXD_EOP, 0, 60));
	assert_true(e1000e_pending(&b.dev, false));
	netside_end(&b.side);
}

static bool start_refused(uint64_t rx, uint64_t tx, uint64_t bytes)
{
	static struct bench b;

	bench_start(&b);
	b.side.boot.queue[0].param[E1000E_PARAM_RX_ENTRIES] = rx;
	b.side.boot.queue[0].param[E1000E_PARAM_TX_ENTRIES] = tx;
	b.side.boot.queue[0].mem_bytes = bytes;
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		e1000e_start(&b.dev, &b.side.boot);
	exit_expected = false;
	netside_end(&b.side);
	return exit_code == RF_DRIVER_EXIT_BOOT;
}

static void test_unusable_boot_records(void **state)
{
	(void)state;
	assert_false(start_refused(64, 64, 2048));
	assert_true(start_refused(0, 64, 1 << 20));
	assert_true(start_refused(64, 96, 1 << 20));
	assert_true(start_refused(8192, 64, 1 << 20));
	assert_true(start_refused(64, 32, 1 << 20));
	assert_true(start_refused(64, 64, 2047));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received_frames_come_in_their_buffers),
		cmocka_unit_test(test_device_drops_when_there_is_no_buffer),
		cmocka_unit_test(test_all_buffers_used_up_round_after_round),
		cmocka_unit_test(test_status_becomes_flags),
		cmocka_unit_test(test_a_batch_rings_once_and_is_reaped_as_one),
		cmocka_unit_test(test_full_ring_takes_what_fits_and_goes_on),
		cmocka_unit_test(test_checksum_context_is_sent_when_it_changes),
		cmocka_unit_test(test_segmentation_in_parts_with_a_tag),
		cmocka_unit_test(test_pending_sees_both_directions),
		cmocka_unit_test(test_unusable_boot_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
