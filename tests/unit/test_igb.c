/* SPDX-License-Identifier: MIT */
/*
 * test_igb.c - the 82576 driver and the net event loop against a controller in memory. What
 * it shares with the 82574's (intel_ring.h) is tested there: here is what differs.
 *
 * Room:   tests/unit.
 */
#include "net_driver.h"

#include "drivers/igb.c"

#define ENTRIES 64u
#define RDT_AT  0x18u
#define TDT_AT  (RDT_AT + IGB_TDT_DISTANCE)

struct bench {
	struct netside side;
	struct igb     dev;
	uint32_t       rdh, tdh;
};

static void bench_start(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	netside_start(&b->side, igb_queue_bytes(ENTRIES), 3 * RF_PAGE);
	b->side.boot.queue[0].regs += RDT_AT;
	b->side.boot.queue[0].param[IGB_PARAM_ENTRIES] = ENTRIES;
	rf_net_attach(&igb_driver, &b->side.queue, &b->dev, &b->side.boot);
}

static bool turn(struct bench *b)
{
	return netside_turn(&b->side, &igb_driver, &b->dev);
}

static uint32_t tail(const struct bench *b, uint32_t at)
{
	uint32_t value;

	memcpy(&value, b->side.regs + at, 4);
	return value;
}

/* The controller writes a frame that begins with `mark`, and over both words. */
static bool wire_in(struct bench *b, uint64_t status, uint32_t mark, uint64_t length, uint64_t vlan)
{
	struct intel_desc *d = (struct intel_desc *)(void *)b->side.mem + b->rdh;

	if (b->rdh == tail(b, RDT_AT))
		return false;
	assert_int_equal(d->word[1], 0);
	memcpy((void *)(uintptr_t)d->word[0], &mark, sizeof(mark));
	d->word[0] = 0x1234567800000011;
	d->word[1] = IGB_RXD_DD | status | length << 32 | vlan << 48;
	b->rdh = (b->rdh + 1) % ENTRIES;
	return true;
}

/* The next descriptor the controller fetches; done at once where it was asked to tell. */
static const struct intel_desc *wire_out(struct bench *b)
{
	struct intel_desc *d = (struct intel_desc *)(void *)b->side.mem + ENTRIES + b->tdh;

	assert_int_not_equal(b->tdh, tail(b, TDT_AT));
	b->tdh = (b->tdh + 1) % ENTRIES;
	assert_true(d->word[1] & IGB_TXD_DEXT);
	if (d->word[1] & IGB_TXD_RS)
		d->word[1] |= IGB_TXD_DD;
	return d;
}

static void test_buffers_are_found_again_after_the_write_back(void **state)
{
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	netside_buffers(&b.side, 300);
	while (turn(&b))
		;
	assert_int_equal(tail(&b, RDT_AT), ENTRIES - 1);
	for (uint32_t mark = 0; mark < 2000;) {
		for (unsigned i = 0; i < 25; i++, mark++)
			assert_true(wire_in(&b, IGB_RXD_EOP, mark, 60 + mark % 9, 0));
		while (turn(&b))
			;
		for (uint32_t i = mark - 25; i < mark; i++) {
			uint32_t value;
			assert_true(netside_next(&b.side, &f));
			assert_int_equal(f.length, 60 + i % 9);
			assert_int_equal(f.flags | f.gso | f.gso_size | f.vlan, 0);
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

static void test_status_becomes_flags(void **state)
{
	static const struct {
		uint64_t status;
		uint32_t length, flags, vlan;
	} table[] = {
		{ IGB_RXD_EOP, 100, 0, 0 },
		{ IGB_RXD_EOP | IGB_RXD_L4CS, 100, RF_NET_CSUM_OK, 0 },
		{ IGB_RXD_EOP | IGB_RXD_L4CS | IGB_RXD_L4E, 100, 0, 0 },
		{ IGB_RXD_EOP | IGB_RXD_L4CS | IGB_RXD_IPE, 100, 0, 0 },
		{ IGB_RXD_EOP | IGB_RXD_L4CS | IGB_RXD_VP, 100, RF_NET_CSUM_OK | RF_NET_VLAN,
		  0xabc },
		{ IGB_RXD_EOP | IGB_RXD_RXE, 0, 0, 0 },
		{ 0, 100, RF_NET_MORE, 0 },
	};
	static struct bench b;
	struct rf_net_frame f;

	(void)state;
	bench_start(&b);
	netside_buffers(&b.side, 32);
	while (turn(&b))
		;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_true(wire_in(&b, table[i].status, 0, 100, table[i].vlan));
	assert_true(turn(&b));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(netside_next(&b.side, &f));
		assert_int_equal(f.at, i * 2048 / RF_NET_UNIT);
		assert_int_equal(f.length, table[i].length);
		assert_int_equal(f.flags, table[i].flags);
		assert_int_equal(f.vlan, table[i].vlan);
	}
	netside_end(&b.side);
}

static void test_plain_frames(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b);
	for (unsigned i = 0; i < 32; i++)
		netside_send(&b.side, (struct rf_net_frame){ .at = i, .length = 60 }, 0);
	assert_true(turn(&b));
	assert_int_equal(bell_writes, 1);
	for (unsigned i = 0; i < 32; i++) {
		const struct intel_desc *d = wire_out(&b);
		assert_int_equal(d->word[0], (uint64_t)(uintptr_t)b.side.arena + i * RF_NET_UNIT);
		assert_int_equal(d->word[1] & ~(IGB_TXD_RS | IGB_TXD_DD),
				 TX_PLAIN | 60 | 60ull << 46);
		assert_int_equal(!!(d->word[1] & IGB_TXD_RS), i == 31);
	}
	assert_true(turn(&b));
	assert_int_equal(netside_slots_back(&b.side), 32);
	netside_end(&b.side);
}

static void test_segmentation_checksum_and_tag(void **state)
{
	struct rf_net_frame gso = { .length = 54, .flags = RF_NET_CSUM | RF_NET_MORE | RF_NET_VLAN,
				    .gso = RF_NET_GSO_TCP4, .gso_size = 1448, .csum_start = 34,
				    .csum_offset = 16, .l3_start = 14, .l4_bytes = 20, .vlan = 7 };
	struct rf_net_frame udp = { .length = 100,
				    .flags = RF_NET_CSUM,
				    .csum_start = 54,
				    .csum_offset = 6,
				    .l3_start = 14 };
	static struct bench b;
	const struct intel_desc *d;

	(void)state;
	bench_start(&b);
	rf_ring_put(&b.side.tx, &gso, sizeof(gso));
	netside_send(&b.side, (struct rf_net_frame){ .at = 64, .length = 10000 }, 0);
	netside_send(&b.side, udp, 0);
	netside_send(&b.side, udp, 0);
	assert_true(turn(&b));
	d = wire_out(&b);
	assert_int_equal(d->word[0], 20 | 14 << 9 | 7 << 16);
	assert_int_equal(d->word[1], IGB_CTX_TYPE | IGB_CTX_DEXT | IGB_CTX_TCP | IGB_CTX_IPV4 |
					     20ull << 40 | 1448ull << 48);
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t lengths[] = { 54, 8192, 10000 - 8192 };
		d = wire_out(&b);
		assert_int_equal(d->word[1] & 0xffff, lengths[i]);
		assert_int_equal(d->word[1] >> IGB_TXD_PAYLEN_SHIFT, 10000);
		assert_true(d->word[1] & IGB_TXD_TSE && d->word[1] & IGB_TXD_VLE &&
			    d->word[1] & IGB_TXD_IXSM);
		assert_int_equal(!!(d->word[1] & IGB_TXD_EOP), i == 2);
	}
	d = wire_out(&b);
	assert_int_equal(d->word[0], 40 | 14 << 9);
	assert_int_equal(d->word[1], IGB_CTX_TYPE | IGB_CTX_DEXT);
	/* The second frame has the same context: it is not sent again. */
	for (unsigned i = 0; i < 2; i++) {
		d = wire_out(&b);
		assert_true(d->word[1] & IGB_TXD_TXSM);
		assert_int_equal(d->word[1] >> IGB_TXD_PAYLEN_SHIFT, 100);
	}
	assert_true(turn(&b));
	assert_int_equal(netside_slots_back(&b.side), 4);
	netside_end(&b.side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers_are_found_again_after_the_write_back),
		cmocka_unit_test(test_status_becomes_flags),
		cmocka_unit_test(test_plain_frames),
		cmocka_unit_test(test_segmentation_checksum_and_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
