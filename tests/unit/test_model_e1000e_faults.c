/* SPDX-License-Identifier: MIT */
/*
 * test_model_e1000e_faults.c - the 82574L model's interrupts come when its datasheet says,
 * and its faults do what their names say.
 */
#include "model_nic.h"

/* ---- interrupts ------------------------------------------------------------ */

static void wire_msix(void)
{
	fake.msix = true;
	wr(E_IVAR, 0x8 | 0x9 << 8 | 0xau << 16);
	wr(E_EIAC, E_ICR_RXQ(0) | E_ICR_TXQ(0));
	wr(E_IMS, E_ICR_RXQ(0) | E_ICR_TXQ(0) | E_ICR_OTHER | E_ICR_LSC);
}
static void one_frame(void)
{
	uint8_t f[60] = {0};

	memcpy(f, our_mac, 6);
	say(f, sizeof(f));
	run();
}
static void test_msix_vectors_mask_and_clear_themselves(void **state)
{
	(void)state;
	bring_up(0);
	wire_msix();
	one_frame();
	assert_int_equal(fake.irqs[0], 1);
	assert_false(rd(E_IMS) & E_ICR_RXQ(0));
	assert_false(*e_reg(nic, E_ICR) & E_ICR_RXQ(0));
	one_frame();
	assert_int_equal(fake.irqs[0], 1); /* masked */
	wr(E_IMS, E_ICR_RXQ(0));
	assert_int_equal(fake.irqs[0], 2); /* and told when it is unmasked */
	tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_RS);
	run();
	assert_int_equal(fake.irqs[1], 1);
	wr(E_ICS, E_ICR_LSC);
	assert_int_equal(fake.irqs[2], 1);
	assert_true(rd(E_ICR) & E_ICR_LSC);
	wr(E_ICS, E_ICR_LSC);
	assert_int_equal(fake.irqs[2], 2);
}

static void test_eitr_holds_messages_back_and_loses_none(void **state)
{
	(void)state;
	bring_up(0);
	wire_msix();
	wr(E_EITR, 4000); /* 1.024 ms */
	one_frame();
	wr(E_IMS, E_ICR_RXQ(0));
	one_frame();
	wr(E_IMS, E_ICR_RXQ(0));
	assert_int_equal(fake.irqs[0], 1);
	assert_int_equal(e1000e_model.deadline(nic), fake.now + 1024000);
	fake.now += 1023999;
	run();
	assert_int_equal(fake.irqs[0], 1);
	fake.now += 1;
	run();
	assert_int_equal(fake.irqs[0], 2);
	assert_int_equal(e1000e_model.deadline(nic), 0);
}

static void test_intx_level_and_msi(void **state)
{
	(void)state;
	bring_up(0);
	wr(E_IMS, E_ICR_RXT0);
	one_frame();
	assert_true(fake.intx);
	assert_int_equal(rd(E_ICR) & (E_ICR_RXT0 | E_ICR_ASSERTED), E_ICR_RXT0 | E_ICR_ASSERTED);
	assert_false(fake.intx);
	assert_int_equal(rd(E_ICR), 0);
	fake.msi = true;
	one_frame();
	assert_int_equal(fake.irqs[0], 1);
	assert_int_equal(fake.intx_edges, 1);
}

/* ---- faults ---------------------------------------------------------------- */

static void test_faults_on_frames(void **state)
{
	uint8_t f[60] = {0};

	(void)state;
	bring_up(0);
	memcpy(f, our_mac, 6);
	arm("drop,arg=1");
	one_frame();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 0);
	arm("duplicate,arg=1");
	one_frame();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 2);
	arm("corrupt,arg=2");
	memset(fake.memory + (TX_DATA - IOVA), 0, 100);
	tx(TX_DATA, 100 | E_TXD_EOP);
	run();
	assert_int_equal(heard(), 100);
	f[0] = 0;
	for (unsigned i = 0; i < 100; i++)
		f[0] |= frame[i];
	assert_int_not_equal(f[0], 0);
	arm("duplicate,arg=2");
	tx(TX_DATA, 100 | E_TXD_EOP);
	run();
	assert_int_equal(heard(), 100);
	assert_int_equal(heard(), 100);
	assert_int_equal(heard(), 0);
	arm("drop,arg=2");
	tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_RS);
	run();
	assert_int_equal(heard(), 0);
	assert_int_equal(get64(TX_RING + tx_at * E_DESC + 8) >> 32 & 1, 1);
}

static void test_faults_on_descriptors(void **state)
{
	(void)state;
	bring_up(0);
	arm("bad-length");
	one_frame();
	assert_int_equal(rx_length(0), 0xfff0);
	one_frame();
	put64(RX_RING + 8, 0); /* the driver has taken the first one back */
	arm("stale-descriptor,arg=3");
	one_frame();
	assert_int_equal(rx_status(0) & E_RXD_DD, E_RXD_DD); /* and there it is again */
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 3);
	arm("stale-descriptor");
	one_frame();
	assert_int_equal(rx_status(4) & E_RXD_DD, E_RXD_DD); /* no frame came there */
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 4);
	put64(RX_RING + 4 * E_DESC, RX_DATA);
	put64(RX_RING + 4 * E_DESC + 8, 0);
	arm("dma-outside");
	fake.refused = 0;
	one_frame();
	assert_int_equal(fake.refused, 1);
	assert_true(rx_status(4) & E_RXD_DD); /* it says done all the same */
	arm("dma-outside,arg=4096");
	tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_RS);
	run();
	assert_int_equal(fake.refused, 2);
	arm("all-ones");
	assert_int_equal(rd(E_STATUS), 0xffffffff);
	assert_int_not_equal(rd(E_STATUS), 0xffffffff);
}

static void test_slow_hang_and_link_flap(void **state)
{
	(void)state;
	bring_up(0);
	arm("slow,arg=500");
	one_frame();
	one_frame();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 1);
	assert_int_equal(e1000e_model.deadline(nic), fake.now + 500000);
	fake.now += 500000;
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 2);
	arm("link-flap,arg=7");
	rd(E_ICR);
	one_frame();
	assert_false(rd(E_STATUS) & E_STATUS_LU);
	assert_true(rd(E_ICR) & E_ICR_LSC);
	fake.now += 7000000;
	run();
	assert_true(rd(E_STATUS) & E_STATUS_LU);
	assert_true(rd(E_ICR) & E_ICR_LSC);
	arm("hang");
	one_frame();
	one_frame();
	tx(TX_DATA, 100 | E_TXD_EOP);
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 4);
	assert_int_equal(heard(), 0);
	wr(E_CTRL, E_CTRL_RST);
	bring_up(0);
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 1); /* what waited in the cable */
}

static void test_loop_brings_frames_back(void **state)
{
	(void)state;
	bring_up(E_RCTL_LBM_MAC);
	memcpy(fake.memory + (TX_DATA - IOVA), our_mac, 6);
	for (int i = 0; i < 50; i++)
		tx(TX_DATA, 100 | E_TXD_EOP | E_TXD_RS);
	run();
	assert_int_equal(e_ring_get(nic, E_RX(0) + E_HEAD), 50);
	assert_int_equal(heard(), 0);
	assert_int_equal(rx_length(49), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_msix_vectors_mask_and_clear_themselves),
		CASE(test_eitr_holds_messages_back_and_loses_none),
		CASE(test_intx_level_and_msi),
		CASE(test_faults_on_frames),
		CASE(test_faults_on_descriptors),
		CASE(test_slow_hang_and_link_flap),
		CASE(test_loop_brings_frames_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
