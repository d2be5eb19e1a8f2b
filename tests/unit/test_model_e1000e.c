/* SPDX-License-Identifier: MIT */
/*
 * test_model_e1000e.c - the 82574L model does what its datasheet says: registers, EEPROM,
 * PHY, transmit and receive.
 */
#include "model_nic.h"

/* ---- registers ------------------------------------------------------------------------------- */

static uint16_t eeprom(uint32_t word)
{
	wr(E_EERD, word << 2 | 1);
	assert_true(rd(E_EERD) & 2);
	return (uint16_t)(rd(E_EERD) >> 16);
}
static void test_eeprom_has_the_address_and_a_valid_checksum(void **state)
{
	uint16_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 0x40; i++)
		sum = (uint16_t)(sum + eeprom(i));
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(eeprom(0), 0x7202);
	assert_int_equal(rd(E_RAL), 0x00667202);
	assert_int_equal(rd(E_RAL + 4), 0x80000100);
	assert_int_equal(eeprom(0x3fff), 0xffff);
}

static uint32_t phy(uint32_t reg, uint32_t more)
{
	wr(E_MDIC, more | reg << 16 | 1u << 21);
	assert_true(rd(E_MDIC) & E_MDIC_READY);
	return rd(E_MDIC);
}
static void test_phy_is_the_82574s_and_has_a_link(void **state)
{
	(void)state;
	assert_int_equal(phy(2, E_MDIC_READ) & 0xffff, 0x0141);
	assert_int_equal(phy(3, E_MDIC_READ) & 0xffff, 0x0cb1);
	assert_int_equal(phy(1, E_MDIC_READ) & 0x24, 0x24);
	assert_true(rd(E_STATUS) & E_STATUS_LU);
	wr(E_MDIC, E_MDIC_READ | 2u << 21);
	assert_true(rd(E_MDIC) & E_MDIC_ERROR); /* nobody at address 2 */
	/* power down and up again: the link goes and comes, BMSR remembers that once */
	phy(0, E_MDIC_WRITE | 0x0800);
	assert_false(rd(E_STATUS) & E_STATUS_LU);
	assert_true(rd(E_ICR) & E_ICR_LSC);
	phy(0, E_MDIC_WRITE | 0x1000);
	assert_int_equal(phy(1, E_MDIC_READ) & 4, 0);
	assert_int_equal(phy(1, E_MDIC_READ) & 4, 4);
	assert_true(rd(E_ICR) & E_ICR_LSC);
}

static void test_reset_clears_all_but_the_address(void **state)
{
	(void)state;
	bring_up(0);
	wr(E_RAL, 0x12345678);
	wr(E_IMS, ~0u);
	wr(E_CTRL, rd(E_CTRL) | E_CTRL_RST);
	assert_false(rd(E_CTRL) & E_CTRL_RST);
	assert_int_equal(rd(E_RCTL), 0);
	assert_int_equal(rd(E_IMS), 0);
	assert_int_equal(e_ring_get(nic, E_TX(0) + E_TAIL), 0);
	assert_int_equal(rd(E_RAL), 0x00667202);
	assert_true(rd(E_STATUS) & E_STATUS_LU);
}

static void test_never_ready_stays_in_reset_until_pci_resets_it(void **state)
{
	(void)state;
	arm("never-ready");
	wr(E_CTRL, rd(E_CTRL) | E_CTRL_RST);
	assert_true(rd(E_CTRL) & E_CTRL_RST);
	wr(E_CTRL, 0);
	assert_true(rd(E_CTRL) & E_CTRL_RST);
	e1000e_model.reset(nic, RESET_DEVICE);
	assert_false(rd(E_CTRL) & E_CTRL_RST);
}

static void test_semaphores_and_master_disable(void **state)
{
	(void)state;
	assert_int_equal(rd(E_SWSM) & E_SWSM_SMBI, 0);
	assert_int_equal(rd(E_SWSM) & E_SWSM_SMBI, E_SWSM_SMBI);
	wr(E_SWSM, 0);
	assert_int_equal(rd(E_SWSM) & E_SWSM_SMBI, 0);
	wr(E_EECD, E_EECD_REQ);
	assert_true(rd(E_EECD) & E_EECD_GNT);
	wr(E_CTRL, rd(E_CTRL) | E_CTRL_NO_MASTER);
	assert_false(rd(E_STATUS) & E_STATUS_MASTER);
	bring_up(0);
	tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_RS);
	run();
	assert_int_equal(heard(), 0); /* no DMA while it may not be a master */
	wr(E_CTRL, rd(E_CTRL) & ~E_CTRL_NO_MASTER);
	run();
	assert_int_equal(heard(), 100);
}

static void test_any_width_and_offset_is_survived(void **state)
{
	uint8_t buffer[64];

	(void)state;
	for (uint32_t at = 0; at < E_REGS_BYTES - 64; at += 61) {
		if (at + 64 >= E_PAGES && at < E_PAGES + E_PAGES_LEN)
			continue;
		e1000e_model.read(nic, 0, at, buffer, 1 + at % 64);
		memset(buffer, (int)at, sizeof(buffer));
		e1000e_model.write(nic, 0, at, buffer, 1 + at % 64);
		e1000e_model.poll(nic);
	}
	e1000e_model.read(nic, 1, 4000, buffer, 64);
	e1000e_model.write(nic, 3, 0, buffer, 64);
}

/* ---- transmit -------------------------------------------------------------- */

static void test_tx_frame_leaves_and_descriptor_comes_back(void **state)
{
	(void)state;
	bring_up(0);
	memset(fake.memory + (TX_DATA - IOVA), 0xab, 100);
	tx(TX_DATA, 40);
	tx(TX_DATA + 40, 20 | E_TXD_EOP | E_TXD_RS);
	assert_int_equal(get64(TX_RING + 24) >> 32 & 1, 0);
	run();
	assert_int_equal(heard(), 60);
	assert_int_equal(frame[59], 0xab);
	assert_int_equal(get64(TX_RING + 24) >> 32 & 1, 1); /* DD where RS was asked */
	assert_int_equal(get64(TX_RING + 8) >> 32 & 1, 0);
	assert_int_equal(e_ring_get(nic, E_TX(0) + E_HEAD), 2);
	assert_int_equal(rd(0x4080), 1); /* GPTC, cleared by this read */
	assert_int_equal(rd(0x4080), 0);
	tx(TX_DATA, 20 | E_TXD_EOP); /* too short: padded */
	run();
	assert_int_equal(heard(), 60);
	assert_int_equal(frame[20], 0);
}

static void test_tx_checksums_are_inserted(void **state)
{
	uint8_t *f = fake.memory + (TX_DATA - IOVA);

	(void)state;
	bring_up(0);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t  protocol = i ? 17 : 6;
		uint32_t bytes = build(f, protocol, 333), csum = i ? 40 : 50;

		e_put16(f + csum, pseudo(f, bytes - 34));
		tx(14 | 24u << 8 | 33u << 16 | 34ull << 32 | (uint64_t)csum << 40,
		   E_TXD_DEXT | (i ? 0 : E_TXD_TCP) | E_TXD_IPV4);
		tx(TX_DATA, bytes | E_TXD_DATA | E_TXD_DEXT | E_TXD_EOP | E_TXD_RS |
		            (uint64_t)(E_POPTS_IP | E_POPTS_L4) << 40);
		run();
		assert_int_equal(heard(), bytes);
		assert_int_equal(e_sum_check(frame, bytes, true, true) & ~E_RXD_UDPCS,
				 E_RXD_IPCS | E_RXD_TCPCS);
	}
}

static void test_tx_segmentation_makes_whole_tcp_segments(void **state)
{
	static uint8_t want[60000];
	uint8_t *f = fake.memory + (TX_DATA - IOVA);
	uint32_t bytes = build(f, 6, 60000), at = 0, number = 0, got;

	(void)state;
	memcpy(want, f + 54, 60000);
	e_put16(f + 38, 0xffff); /* sequence number near its end */
	e_put16(f + 40, 0xff00);
	bring_up(0);
	e_put16(f + 16, 0);
	e_put16(f + 50, pseudo(f, 0)); /* without the length */
	tx(14 | 24u << 8 | 33u << 16 | 34ull << 32 | 50ull << 40,
	   60000 | E_TXD_DEXT | E_TXD_TSE | E_TXD_TCP | E_TXD_IPV4 | 54ull << 40 | 1460ull << 48);
	for (uint32_t part = 0; part < bytes; part += 4096) {
		uint32_t n = bytes - part < 4096 ? bytes - part : 4096;

		tx(TX_DATA + part, n | E_TXD_DATA | E_TXD_DEXT | E_TXD_TSE | E_TXD_RS |
		                   (part + n == bytes ? E_TXD_EOP : 0) |
		                   (uint64_t)(E_POPTS_IP | E_POPTS_L4) << 40);
	}
	for (run(); (got = heard()); run(), number++) {
		uint32_t sequence = (uint32_t)e_get16(frame + 38) << 16 | e_get16(frame + 40);
		bool     last = at + 1460 >= 60000;

		assert_int_equal(got, last ? 54 + 60000 - at : 1514);
		assert_int_equal(e_sum_check(frame, got, true, true), E_RXD_IPCS | E_RXD_TCPCS);
		assert_int_equal(e_get16(frame + 16), got - 14);
		assert_int_equal(e_get16(frame + 18), (uint16_t)(0xfffe + number));
		assert_int_equal(sequence, 0xffffff00u + at);
		assert_int_equal(frame[47], last ? 0x19 : 0x10);
		assert_memory_equal(frame + 54, want + at, got - 54);
		at += got - 54;
	}
	assert_int_equal(at, 60000);
	assert_int_equal(number, 42);
	assert_int_equal(rd(0x40f8), 1);
}

static void test_tx_vlan_tag_is_inserted(void **state)
{
	(void)state;
	bring_up(0);
	wr(E_CTRL, rd(E_CTRL) | E_CTRL_VME);
	memset(fake.memory + (TX_DATA - IOVA), 0x55, 100);
	tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_VLE | 0x2005ull << 48);
	run();
	assert_int_equal(heard(), 104);
	assert_memory_equal(frame + 12, "\x81\x00\x20\x05\x55", 5);
}

static void test_tx_hostile_descriptors_are_dropped_and_given_back(void **state)
{
	(void)state;
	bring_up(0);
	tx(1ull << 40, 100 | E_TXD_EOP | E_TXD_RS);                  /* outside the map */
	for (int i = 0; i < 20; i++)                                 /* never ending */
		tx(TX_DATA, 0xfffff | E_TXD_DATA | E_TXD_DEXT);
	tx(TX_DATA, 100 | E_TXD_DATA | E_TXD_DEXT | E_TXD_EOP | E_TXD_RS);
	tx(~0ull, ~0ull & ~(uint64_t)E_TXD_DATA);                    /* a context of all ones */
	tx(TX_DATA, 5000 | E_TXD_DATA | E_TXD_DEXT | E_TXD_TSE | E_TXD_EOP | E_TXD_RS | 3ull << 40);
	run();
	assert_int_equal(heard(), 0);
	assert_int_equal(e_ring_get(nic, E_TX(0) + E_HEAD), e_ring_get(nic, E_TX(0) + E_TAIL));
	/* checksum offsets beyond a small frame */
	tx(~0ull, (~0ull & ~(uint64_t)(E_TXD_DATA | E_TXD_TSE)));
	tx(TX_DATA, 64 | E_TXD_DATA | E_TXD_DEXT | E_TXD_EOP | 3ull << 40);
	run();
	assert_int_equal(heard(), 64);
	/* a ring that is not there, and registers of nonsense */
	wr(E_TX(0) + E_BAH, 0xffffffff);
	wr(E_TX(0) + E_TAIL, 0xffffffff);
	run();
	wr(E_TX(0) + E_LEN, 0);
	run();
	wr(E_RX(0) + E_LEN, 128);
	wr(E_RX(0) + E_HEAD, 0xffff);
	say(frame, 64);
	run();
}

/* ---- receive --------------------------------------------------------------- */

static void test_rx_frame_arrives_with_status_and_checksums(void **state)
{
	uint8_t  f[600];
	uint32_t bytes = build(f, 6, 400);

	(void)state;
	e_put16(f + 24, e_sum_done(e_sum(f + 14, 20)));
	e_put16(f + 50, e_sum_done(pseudo(f, 420) + e_sum(f + 34, 420)));
	bring_up(0);
	wr(E_RXCSUM, E_RXCSUM_IP | E_RXCSUM_L4);
	say(f, bytes);
	f[60] ^= 1; /* and one with a wrong TCP checksum */
	say(f, bytes);
	run();
	assert_int_equal(rx_status(0), E_RXD_DD | E_RXD_EOP | E_RXD_IPCS | E_RXD_TCPCS);
	assert_int_equal(rx_length(0), bytes);
	assert_memory_equal(fake.memory + (RX_DATA - IOVA), f, 60);
	assert_int_equal(rx_status(1), E_RXD_DD | E_RXD_EOP | E_RXD_IPCS | E_RXD_TCPCS | E_RXE_L4);
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 2);
	assert_int_equal(rd(0x4074), 2);
}

static void test_rx_legacy_descriptors_and_crc(void **state)
{
	uint8_t  f[60];
	uint32_t crc;

	(void)state;
	memset(f, 0x11, sizeof(f));
	memcpy(f, our_mac, 6);
	bring_up(0);
	wr(E_RFCTL, 0);
	wr(E_RCTL, E_RCTL_EN);
	say(f, sizeof(f));
	run();
	assert_int_equal(get64(RX_RING), RX_DATA); /* the address stays in a legacy one */
	assert_int_equal(get64(RX_RING + 8) & 0xffff, 64);
	assert_int_equal(get64(RX_RING + 8) >> 32 & 0xff, E_RXD_DD | E_RXD_EOP | E_RXD_IXSM);
	memcpy(&crc, fake.memory + (RX_DATA - IOVA) + 60, 4);
	assert_int_equal(crc, e_crc(f, 60));
	assert_int_equal(e_crc((const uint8_t *)"123456789", 9), 0xcbf43926);
}

static void test_rx_filters(void **state)
{
	static const struct { uint8_t to[6]; uint32_t rctl; bool mta, wanted; } cases[] = {
		{ { 0x02, 0x72, 0x66, 0, 0, 1 }, 0, false, true },
		{ { 0x02, 0x72, 0x66, 0, 0, 2 }, 0, false, false },
		{ { 0x02, 0x72, 0x66, 0, 0, 2 }, E_RCTL_UPE, false, true },
		{ { 255, 255, 255, 255, 255, 255 }, 0, false, true }, /* BAM */
		{ { 1, 0, 0x5e, 0, 0, 0xfb }, 0, false, false },
		{ { 1, 0, 0x5e, 0, 0, 0xfb }, 0, true, true },
		{ { 1, 0, 0x5e, 0, 0, 0xfb }, E_RCTL_MPE, false, true },
	};
	uint8_t  f[60] = {0};
	unsigned at = 0;

	(void)state;
	bring_up(0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned hash = (cases[i].to[4] | cases[i].to[5] << 8) >> 4 & 0xfff;

		wr(E_RCTL, E_RCTL_EN | E_RCTL_SECRC | E_RCTL_BAM | cases[i].rctl);
		wr(E_MTA + 4 * (hash >> 5), cases[i].mta ? 1u << (hash & 31) : 0);
		memcpy(f, cases[i].to, 6);
		say(f, sizeof(f));
		run();
		at += cases[i].wanted;
		assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), at);
	}
}

static void test_rx_vlan_filter_and_strip(void **state)
{
	uint8_t f[100] = {0};

	(void)state;
	bring_up(E_RCTL_VFE);
	wr(E_CTRL, rd(E_CTRL) | E_CTRL_VME);
	wr(E_VFTA + 4 * (5 >> 5), 1u << 5);
	memcpy(f, our_mac, 6);
	memcpy(f + 12, "\x81\x00\x20\x06\x08\x06\x77", 7);
	say(f, sizeof(f)); /* VLAN 6: not ours */
	f[15] = 5;
	say(f, sizeof(f));
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 1);
	assert_true(rx_status(0) & E_RXD_VP);
	assert_int_equal(get64(RX_RING + 8) >> 48, 0x2005);
	assert_int_equal(rx_length(0), 96);
	assert_memory_equal(fake.memory + (RX_DATA - IOVA) + 12, "\x08\x06\x77", 3);
}

static void test_rx_long_frame_takes_several_buffers_and_none_is_lost_without_room(void **state)
{
	static uint8_t f[9000];
	unsigned head;

	(void)state;
	for (unsigned i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)(i * 13);
	memcpy(f, our_mac, 6);
	bring_up(E_RCTL_LPE);
	for (int i = 0; i < 13; i++) { /* 5 buffers each, 63 there are */
		f[100] = (uint8_t)i;
		say(f, sizeof(f));
	}
	run();
	head = e_ring_get(nic, E_RX(0) + E_HEAD);
	assert_int_equal(head, 60);
	wr(E_RX(0) + E_TAIL, 0); /* 4 free: one too few */
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 60);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(rx_length(i), i < 4 ? 2048 : 9000 - 4 * 2048);
		assert_int_equal(!!(rx_status(i) & E_RXD_EOP), i == 4);
	}
	assert_memory_equal(fake.memory + (RX_DATA - IOVA) + 101, f + 101, 8192 - 101);
	for (unsigned i = 0; i < RING; i++)
		put64(RX_RING + i * E_DESC, RX_DATA + i * 2048);
	wr(E_RX(0) + E_TAIL, 40);
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 1); /* the one that waited */
	assert_int_equal(fake.memory[RX_DATA - IOVA + 60 * 2048 + 100], 12);
	assert_int_equal(rd(0x40a0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_eeprom_has_the_address_and_a_valid_checksum),
		CASE(test_phy_is_the_82574s_and_has_a_link),
		CASE(test_reset_clears_all_but_the_address),
		CASE(test_never_ready_stays_in_reset_until_pci_resets_it),
		CASE(test_semaphores_and_master_disable),
		CASE(test_any_width_and_offset_is_survived),
		CASE(test_tx_frame_leaves_and_descriptor_comes_back),
		CASE(test_tx_checksums_are_inserted),
		CASE(test_tx_segmentation_makes_whole_tcp_segments),
		CASE(test_tx_vlan_tag_is_inserted),
		CASE(test_tx_hostile_descriptors_are_dropped_and_given_back),
		CASE(test_rx_frame_arrives_with_status_and_checksums),
		CASE(test_rx_legacy_descriptors_and_crc),
		CASE(test_rx_filters),
		CASE(test_rx_vlan_filter_and_strip),
		CASE(test_rx_long_frame_takes_several_buffers_and_none_is_lost_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
