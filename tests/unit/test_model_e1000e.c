/* SPDX-License-Identifier: MIT */
/*
 * test_model_e1000e.c - the 82574L model does what its datasheet says, and its faults do
 * what their names say. The server is played by this file: flat client memory, counted
 * interrupts, a clock that stands still until it is moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <cmocka.h>

#define MODEL_NO_MAIN
#include "tests/models/e1000e_sum.c"
#include "tests/models/e1000e_irq.c"
#include "tests/models/e1000e_regs.c"
#include "tests/models/e1000e_tx.c"
#include "tests/models/e1000e_rx.c"
#include "tests/models/e1000e_peer.c"
#include "tests/models/e1000e.c"
#include "tests/models/server/fault.c"
#include "sandbox/base/log.c"

/* ---- the server ------------------------------------------------------------------------- */

#define MEMORY  (4u << 20)
#define IOVA    0x100000u
#define TX_RING IOVA
#define RX_RING (IOVA + 0x10000)
#define TX_DATA (IOVA + 0x100000)
#define RX_DATA (IOVA + 0x200000)
#define RING    64u /* descriptors */

static struct {
	_Alignas(4096) uint8_t pages[E_PAGES_LEN];
	uint8_t  *memory;
	struct fault_set faults;
	uint64_t now, random;
	unsigned irqs[8], intx_edges, refused;
	bool     msix, msi, intx;
} fake;

static bool inside(uint64_t iova, uint64_t bytes)
{
	return iova >= IOVA && bytes <= MEMORY && iova - IOVA <= MEMORY - bytes;
}
int server_dma_read(struct server *s, uint64_t iova, void *to, uint64_t bytes)
{
	(void)s;
	if (!inside(iova, bytes)) {
		fake.refused++;
		return -EFAULT;
	}
	memcpy(to, fake.memory + (iova - IOVA), bytes);
	return 0;
}
int server_dma_write(struct server *s, uint64_t iova, const void *from, uint64_t bytes)
{
	(void)s;
	if (!inside(iova, bytes)) {
		fake.refused++;
		return -EFAULT;
	}
	memcpy(fake.memory + (iova - IOVA), from, bytes);
	return 0;
}
void *server_dma_at(struct server *s, uint64_t iova, uint64_t bytes, bool write)
{
	(void)s;
	(void)write;
	return inside(iova, bytes) ? fake.memory + (iova - IOVA) : NULL;
}
void server_irq(struct server *s, unsigned vector)
{
	(void)s;
	fake.irqs[vector & 7]++;
}
void server_intx(struct server *s, bool high)
{
	(void)s;
	fake.intx_edges += high && !fake.intx;
	fake.intx = high;
}
bool server_has_msix(const struct server *s) { (void)s; return fake.msix; }
bool server_has_msi(const struct server *s) { (void)s; return fake.msi; }
void *server_share(struct server *s, unsigned bar, uint32_t offset, uint32_t bytes, uint32_t asleep)
{
	(void)s;
	assert_int_equal(bar, 0);
	assert_int_equal(offset, 0x2000);
	assert_int_equal(bytes, 0x2000);
	assert_in_range(asleep, offset, offset + bytes - 4);
	return fake.pages;
}
uint64_t server_now(void) { return fake.now; }
uint64_t server_random(struct server *s) { (void)s; return fault_random(&fake.faults); }
struct fault_set *server_faults(struct server *s) { (void)s; return &fake.faults; }
int server_watch(struct server *s, int fd) { (void)s; (void)fd; return 0; }
void server_unwatch(struct server *s, int fd) { (void)s; (void)fd; }

/* ---- the driver ---------------------------------------------------------------------------- */

static struct nic *nic;
static int cable; /* the far end of it */

static uint32_t rd(uint32_t offset)
{
	uint32_t value;

	assert_int_equal(e1000e_model.read(nic, 0, offset, &value, 4), 0);
	return value;
}
static void wr(uint32_t offset, uint32_t value)
{
	if (offset >= E_PAGES && offset < E_PAGES + E_PAGES_LEN)
		e_ring_set(nic, offset, value);
	else
		assert_int_equal(e1000e_model.write(nic, 0, offset, &value, 4), 0);
}
static void run(void)
{
	for (int i = 0; i < 1000 && e1000e_model.poll(nic); i++)
		;
}
static uint64_t get64(uint64_t iova)
{
	uint64_t v;

	memcpy(&v, fake.memory + (iova - IOVA), 8);
	return v;
}
static void put64(uint64_t iova, uint64_t v) { memcpy(fake.memory + (iova - IOVA), &v, 8); }

static int setup(void **state)
{
	struct model_pci pci;
	int pair[2];

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000000000;
	fake.memory = calloc(1, MEMORY);
	fake.faults.table[0] = e1000e_faults;
	fake.faults.count[0] = F_COUNT;
	fault_seed(&fake.faults, 1);
	fault_clear(&fake.faults, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	memset(&opt, 0, sizeof(opt));
	opt.fd = pair[0];
	opt.tap_fd = -1;
	cable = pair[1];
	nic = e1000e_model.open((void *)&fake, &pci);
	assert_non_null(nic);
	assert_int_equal(pci.device, 0x10d3);
	e1000e_model.reset(nic, RESET_POWER);
	return 0;
}
static int teardown(void **state)
{
	(void)state;
	e1000e_model.close(nic);
	close(cable);
	free(fake.memory);
	return 0;
}

/* Rings of RING descriptors, both ways on; receive buffers of 2 KiB. */
static void bring_up(uint32_t rctl)
{
	wr(E_TX(0) + E_BAL, TX_RING);
	wr(E_TX(0) + E_LEN, RING * E_DESC);
	wr(E_RX(0) + E_BAL, RX_RING);
	wr(E_RX(0) + E_LEN, RING * E_DESC);
	for (unsigned i = 0; i < RING; i++)
		put64(RX_RING + i * E_DESC, RX_DATA + i * 2048);
	wr(E_RFCTL, E_RFCTL_EXTEN);
	wr(E_TCTL, E_TCTL_EN | E_TCTL_PSP);
	wr(E_RCTL, E_RCTL_EN | E_RCTL_SECRC | E_RCTL_BAM | rctl);
	wr(E_RX(0) + E_TAIL, RING - 1);
}
static unsigned tx_at;
static void tx(uint64_t low, uint64_t high)
{
	tx_at = e_ring_get(nic, E_TX(0) + E_TAIL);
	put64(TX_RING + tx_at * E_DESC, low);
	put64(TX_RING + tx_at * E_DESC + 8, high);
	wr(E_TX(0) + E_TAIL, (tx_at + 1) % RING);
}
static uint8_t frame[70000];
static uint32_t heard(void)
{
	ssize_t got = recv(cable, frame, sizeof(frame), MSG_DONTWAIT);

	return got < 0 ? 0 : (uint32_t)got;
}
static void say(const uint8_t *data, uint32_t bytes)
{
	assert_int_equal(send(cable, data, bytes, MSG_DONTWAIT), (ssize_t)bytes);
}
static const uint8_t our_mac[6] = { 0x02, 0x72, 0x66, 0x00, 0x00, 0x01 };
static uint32_t rx_status(unsigned i) { return (uint32_t)get64(RX_RING + i * E_DESC + 8); }
static uint32_t rx_length(unsigned i) { return get64(RX_RING + i * E_DESC + 8) >> 32 & 0xffff; }
static void arm(const char *text)
{
	assert_int_equal(fault_arm_text(&fake.faults, text), 0);
}

/* IPv4 and TCP or UDP headers without checksums, then a counting payload. */
static uint32_t build(uint8_t *f, uint8_t protocol, uint32_t payload)
{
	uint32_t l4 = protocol == 6 ? 20 : 8, total = 20 + l4 + payload;

	memset(f, 0, 14 + total);
	memcpy(f, our_mac, 6);
	memcpy(f + 6, "\2\0\0\0\0\2", 6);
	e_put16(f + 12, 0x0800);
	f[14] = 0x45;
	e_put16(f + 16, total);
	e_put16(f + 18, 0xfffe); /* identification: goes over the top in segments */
	f[22] = 64;
	f[23] = protocol;
	memcpy(f + 26, "\12\0\0\1\12\0\0\2", 8);
	e_put16(f + 34, 1000);
	e_put16(f + 36, 2000);
	if (protocol == 6) {
		f[46] = 0x50;
		f[47] = 0x19; /* FIN PSH ACK */
	} else {
		e_put16(f + 38, 8 + payload);
	}
	for (uint32_t i = 0; i < payload; i++)
		f[14 + 20 + l4 + i] = (uint8_t)(i * 7);
	return 14 + total;
}
/* The pseudo-header's sum, as a driver leaves it for the hardware to go on from. */
static uint16_t pseudo(const uint8_t *f, uint32_t length)
{
	return (uint16_t)~e_sum_done(e_sum(f + 26, 8) + f[23] + length);
}

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

/* ---- transmit --------------------------------------------------------------------------------- */

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
		assert_int_equal(e_sum_check(frame, bytes, true, true) & ~E_RXD_UDPCS, E_RXD_IPCS | E_RXD_TCPCS);
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

/* ---- receive ------------------------------------------------------------------------------------- */

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

/* ---- interrupts -------------------------------------------------------------------------------------- */

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

/* ---- faults ---------------------------------------------------------------------------------------------- */

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

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
