/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_ages.c - what rf-lwip's stack learnt of a link grows old: a short lease is renewed by
 * its server and, if that one is gone, by another; a neighbour that moved to another adapter is
 * found.
 *
 * Room:   tests/unit. The test is the link; the clock is the test's, and runs as fast as it likes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/stream.c"
#include "tests/unit/lwip_wire.h"

#define LEASE  120u /* seconds */
#define QUEUE  64u
#define UDP_AT 34u
#define DHCP_AT 42u
#define OPTIONS_AT (DHCP_AT + 240u)

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5 };

static struct {
	uint8_t  data[QUEUE][600];
	uint32_t length[QUEUE], head, tail; /* for the stack, between its turns */
	/* last byte of the DHCP server's address and adapter; 0: there is none */
	uint8_t  server;
	uint8_t  neighbour;     /* last byte of the adapter that has 10.0.0.7 */
	uint32_t acks, broadcast_acks;
	uint32_t echoes;        /* answers that its adapter heard */
} net;

static void give(const uint8_t *f, uint32_t length)
{
	assert_true(net.tail - net.head < QUEUE);
	memcpy(net.data[net.tail % QUEUE], f, length);
	net.length[net.tail++ % QUEUE] = length;
}

/* One second. */
static void second(void)
{
	for (int i = 0; i < 20; i++) {
		wire_wait(50);
		while (net.head != net.tail) {
			uint32_t at = net.head++ % QUEUE;

			wire_frame(net.data[at], net.length[at]);
		}
	}
}

static uint32_t sum(const uint8_t *at, uint32_t length)
{
	uint32_t acc = 0;

	for (uint32_t i = 0; i < length; i += 2) {
		uint16_t word;
		memcpy(&word, at + i, 2);
		acc += word;
	}
	return acc;
}

/* Ethernet and IPv4 in front of `length` bytes at f + 34; from adapter and address `from`. */
static void head(uint8_t *f, uint8_t from, const uint8_t *mac, const uint8_t *to, uint8_t protocol,
		 uint32_t length)
{
	const uint8_t eth[] = { 2, 0, 0, 0, 1, from, 8, 0 };
	const uint8_t ip[] = { 0x45, 0, (uint8_t)((20 + length) >> 8), (uint8_t)(20 + length), 0, 0,
			       0, 0, 64, protocol, 0, 0, 10, 0, 0, from };

	memcpy(f, mac, 6);
	memcpy(f + 6, eth, sizeof(eth));
	memcpy(f + 14, ip, sizeof(ip));
	memcpy(f + 30, to, 4);
	wire_sum(f + 24, sum(f + 14, 20));
}

/* ---- DHCP ----------------------------------------------------------------------------------- */

static uint8_t option(const uint8_t *f, uint32_t length, uint8_t which)
{
	for (uint32_t i = OPTIONS_AT; i + 2 < length && f[i] != 255; i += f[i] ? 2u + f[i + 1] : 1u)
		if (f[i] == which)
			return f[i + 2];
	return 0;
}

static void serve(const uint8_t *asked, uint8_t type)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	const uint8_t options[] = { 53, 1, type, 54, 4, 10, 0, 0, net.server, 51, 4, 0, 0, 0, LEASE,
				    1, 4, 255, 255, 255, 0, 255 };
	const uint8_t udp[] = { 0, 67, 0, 68, (8 + 300) >> 8, (8 + 300) & 255, 0, 0 };
	uint8_t f[DHCP_AT + 300] = { 0 }, *d = f + DHCP_AT;

	memcpy(f + UDP_AT, udp, sizeof(udp));
	memcpy(d, (uint8_t[]){ 2, 1, 6 }, 3);
	memcpy(d + 4, asked + DHCP_AT + 4, 4);
	memcpy(d + 16, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	memcpy(d + 28, asked + DHCP_AT + 28, 6);
	memcpy(d + 236, (uint8_t[]){ 0x63, 0x82, 0x53, 0x63 }, 4);
	memcpy(d + 240, options, sizeof(options));
	head(f, net.server, all, all, 17, 8 + 300);
	give(f, sizeof(f));
}

static void dhcp(const uint8_t *f, uint32_t length)
{
	uint8_t type = option(f, length, 53);

	/* One to a server alone reaches that one only. */
	if (!net.server || (!(f[0] & 1) && f[5] != net.server))
		return;
	if (type == DISCOVER)
		serve(f, OFFER);
	if (type != REQUEST)
		return;
	net.acks++;
	net.broadcast_acks += f[0] & 1;
	serve(f, ACK);
}

/* ---- the link ------------------------------------------------------------------------------- */

/* Who has it? The server its own address, the neighbour 10.0.0.7, each at its adapter. */
static void arp(const uint8_t *f)
{
	uint8_t owner = f[41] == 7 ? net.neighbour : f[41] == net.server ? net.server : 0;
	uint8_t a[42] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 1, owner, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
			  2, 0, 0, 0, 1, owner, 10, 0, 0, f[41], 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };

	if (f[21] == 1 && owner && (f[0] & 1 || f[5] == owner))
		give(a, sizeof(a));
}

static void wire_sent(const uint8_t *f, uint32_t length)
{
	if (f[12] == 8 && f[13] == 6)
		arp(f);
	else if (length > OPTIONS_AT && f[23] == 17 && f[UDP_AT + 3] == 67)
		dhcp(f, length);
	else if (length > UDP_AT && f[23] == 1 && f[5] == net.neighbour)
		net.echoes++;
}

static bool has_address(void)
{
	return !ip4_addr_isany_val(*netif_ip4_addr(&stack.netif));
}

static int setup(void **unused)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_DHCP };

	(void)unused;
	clock_ns = 1000000000;
	net.server = 1;
	stack_init();
	stack_open(&stack, &wire, &c);
	for (int i = 0; i < 60 && !has_address(); i++)
		second();
	return has_address() ? 0 : -1;
}

static void a_short_lease_is_renewed_by_its_server(void **unused)
{
	(void)unused;
	net.acks = net.broadcast_acks = 0;
	for (uint32_t s = 0; s < 10 * LEASE; s++) {
		second();
		assert_true(has_address());
	}
	printf("# renewals of a lease of %u s in %u s: %u, %u of them by asking all\n", LEASE,
	       10 * LEASE, net.acks, net.broadcast_acks);
	assert_in_range(net.acks, 18, 22); /* at half of it */
	assert_int_equal(net.broadcast_acks, 0);
}

static void a_lease_whose_server_is_gone_is_taken_on_by_another(void **unused)
{
	(void)unused;
	for (uint8_t server = 3; server < 6; server++) {
		net.server = server;
		net.acks = net.broadcast_acks = 0;
		uint32_t s = 0;
		for (; s < LEASE + 1 && !net.broadcast_acks; s++) {
			second();
			assert_true(has_address());
		}
		printf("# another server was asked after %u s of %u\n", s, LEASE);
		assert_true(net.broadcast_acks);
	}
}

static void a_neighbour_that_moved_is_found(void **unused)
{
	static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 2 }, our_address[4] = { 10, 0, 0, 2 };
	uint8_t f[50] = { 0 };

	(void)unused;
	f[34] = 8; /* an echo request */
	wire_sum(f + 36, sum(f + 34, 16));
	head(f, 7, our_mac, our_address, 1, 16);
	net.neighbour = 7;
	for (int i = 0; i < 5; i++, second())
		give(f, sizeof(f));
	assert_in_range(net.echoes, 3, 5);
	net.neighbour = 8;
	net.echoes = 0;
	f[11] = 8;
	uint32_t s = 0;
	for (; s < 600 && !net.echoes; s++, second())
		give(f, sizeof(f));
	printf("# a neighbour with another adapter was found after %u s\n", s);
	assert_in_range(s, 1, 46);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_lease_is_renewed_by_its_server),
		cmocka_unit_test(a_lease_whose_server_is_gone_is_taken_on_by_another),
		cmocka_unit_test(a_neighbour_that_moved_is_found),
	};

	return cmocka_run_group_tests_name("lwip_ages", tests, setup, NULL);
}
