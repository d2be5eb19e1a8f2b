/* SPDX-License-Identifier: MIT */
/*
 * model_nic.h - the 82574L model with its server and its driver played by the test: flat
 * client memory, counted interrupts, a clock that stands still until it is moved.
 *
 * Room:   tests/unit.
 */
#ifndef RF_TEST_MODEL_NIC_H
#define RF_TEST_MODEL_NIC_H

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
#include "sandbox/lib/log.c"
#include "sandbox/lib/unix_listen.c"

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

static inline uint32_t rd(uint32_t offset)
{
	uint32_t value;

	assert_int_equal(e1000e_model.read(nic, 0, offset, &value, 4), 0);
	return value;
}
static inline void wr(uint32_t offset, uint32_t value)
{
	if (offset >= E_PAGES && offset < E_PAGES + E_PAGES_LEN)
		e_ring_set(nic, offset, value);
	else
		assert_int_equal(e1000e_model.write(nic, 0, offset, &value, 4), 0);
}
static inline void run(void)
{
	for (int i = 0; i < 1000 && e1000e_model.poll(nic); i++)
		;
}
static inline uint64_t get64(uint64_t iova)
{
	uint64_t v;

	memcpy(&v, fake.memory + (iova - IOVA), 8);
	return v;
}
static inline void put64(uint64_t iova, uint64_t v) { memcpy(fake.memory + (iova - IOVA), &v, 8); }

static inline int setup(void **state)
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
static inline int teardown(void **state)
{
	(void)state;
	e1000e_model.close(nic);
	close(cable);
	free(fake.memory);
	return 0;
}

/* Rings of RING descriptors, both ways on; receive buffers of 2 KiB. */
static inline void bring_up(uint32_t rctl)
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
static inline void tx(uint64_t low, uint64_t high)
{
	tx_at = e_ring_get(nic, E_TX(0) + E_TAIL);
	put64(TX_RING + tx_at * E_DESC, low);
	put64(TX_RING + tx_at * E_DESC + 8, high);
	wr(E_TX(0) + E_TAIL, (tx_at + 1) % RING);
}
static uint8_t frame[70000];
static inline uint32_t heard(void)
{
	ssize_t got = recv(cable, frame, sizeof(frame), MSG_DONTWAIT);

	return got < 0 ? 0 : (uint32_t)got;
}
static inline void say(const uint8_t *data, uint32_t bytes)
{
	assert_int_equal(send(cable, data, bytes, MSG_DONTWAIT), (ssize_t)bytes);
}
static const uint8_t our_mac[6] = { 0x02, 0x72, 0x66, 0x00, 0x00, 0x01 };
static inline uint32_t rx_status(unsigned i) { return (uint32_t)get64(RX_RING + i * E_DESC + 8); }
static inline uint32_t rx_length(unsigned i)
{
	return get64(RX_RING + i * E_DESC + 8) >> 32 & 0xffff;
}
static inline void arm(const char *text)
{
	assert_int_equal(fault_arm_text(&fake.faults, text), 0);
}

/* IPv4 and TCP or UDP headers without checksums, then a counting payload. */
static inline uint32_t build(uint8_t *f, uint8_t protocol, uint32_t payload)
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
static inline uint16_t pseudo(const uint8_t *f, uint32_t length)
{
	return (uint16_t)~e_sum_done(e_sum(f + 26, 8) + f[23] + length);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
