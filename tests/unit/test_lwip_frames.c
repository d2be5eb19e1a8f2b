/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_frames.c - the stack, with its own pools, after FRAMES long random frames of all kinds:
 * it serves, and every buffer it took is back.
 *
 * Room:   tests/unit.
 * Seed:   SEED in the environment, printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/stream.c"

#include "lwip/memp.h"
#include "lwip/stats.h"
#include "tests/unit/lwip_wire.h"

#define FRAMES 100000
#define PORT   80

static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
static const uint8_t us6[16] = { 0xfd, [15] = 2 }, them6[16] = { 0xfd, [15] = 1 };
static uint64_t random_state;
static uint32_t synack_seq, answers;

static void wire_sent(const uint8_t *f, uint32_t n)
{
	if (n >= 54 && f[12] == 8 && !f[13] && f[23] == 6 && (f[47] & 0x12) == 0x12)
		synack_seq = (uint32_t)f[38] << 24 | (uint32_t)f[39] << 16 | (uint32_t)f[40] << 8 |
			     f[41];
	if (n >= 57 && f[12] == 8 && !f[13] && f[23] == 6 && !memcmp(f + 54, "hi!", 3))
		answers++;
}

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

/* ---- frames ---------------------------------------------------------------------------- */

static void sum_to(uint8_t *at, uint32_t pseudo, const uint8_t *p, uint32_t n)
{
	memset(at, 0, 2);
	wire_sum(at, pseudo + rf_checksum(p, (int)n));
}

/* Addresses of one of us and the host beside us; one in eight is anybody's. */
static void head4(uint8_t *f, uint32_t n, uint8_t proto)
{
	memcpy(f + 14,
	       (uint8_t[20]){ 0x45,
			      0,
			      (uint8_t)((n - 14) >> 8),
			      (uint8_t)(n - 14),
			      0,
			      (uint8_t)draw(4),
			      0,
			      0,
			      64,
			      proto,
			      0,
			      0,
			      10,
			      0,
			      0,
			      1,
			      10,
			      0,
			      0,
			      2 },
	       20);
	if (!draw(8))
		f[26 + draw(8)] = (uint8_t)draw(256);
	if (!draw(3)) { /* a fragment */
		f[20] = (uint8_t)(draw(2) << 5 | draw(4));
		f[21] = (uint8_t)draw(256);
	}
	sum_to(f + 24, 0, f + 14, 20);
}

static void head6(uint8_t *f, uint32_t n, uint8_t next)
{
	memcpy(f + 14,
	       (uint8_t[8]){ 0x60, 0, 0, 0, (uint8_t)((n - 54) >> 8), (uint8_t)(n - 54), next,
			     255 },
	       8);
	memcpy(f + 22, them6, 16);
	memcpy(f + 38, us6, 16);
	if (!draw(4))
		memcpy(f + 22, (uint8_t[16]){ 0xfe, 0x80, [15] = 1 }, 16);
	if (!draw(8))
		f[22 + draw(32)] = (uint8_t)draw(256);
}

/* Of TCP and UDP: ports where somebody listens, or whom we have asked. */
static void ports(uint8_t *l4, uint8_t proto)
{
	static const uint8_t udp_from[] = { 53, 67, 9 }, udp_to[] = { 68, 53, 9 };

	l4[0] = proto == 6 ? (uint8_t)(4 + draw(8)) : 0;
	l4[1] = proto == 6 ? 1 : udp_from[draw(3)];
	l4[2] = 0;
	l4[3] = proto == 6 ? PORT : udp_to[draw(3)];
	if (proto == 6)
		l4[12] = (uint8_t)((5 + draw(4)) << 4);
}

static void frame4(uint8_t *f, uint32_t n)
{
	static const uint8_t protos[] = { 1, 6, 6, 17, 17, 99 };
	uint8_t proto = protos[draw(6)], *l4 = f + 34;
	uint32_t bytes = n - 34, pseudo;

	f[12] = 8, f[13] = 0;
	head4(f, n, proto);
	pseudo = rf_checksum(f + 26, 8) + proto * 256u + lwip_htons((uint16_t)bytes);
	if (proto == 6 || proto == 17)
		ports(l4, proto);
	if (proto == 6)
		sum_to(l4 + 16, pseudo, l4, bytes);
	else if (proto == 17)
		memset(l4 + 6, 0, 2);
	else
		sum_to(l4 + 2, 0, l4, bytes);
}

/* Neighbours, routers, MLD, errors, echoes; options that are whole now and then. */
static void message6(uint8_t *p, uint32_t n)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 135, 136, 137 };

	p[0] = types[draw(sizeof(types))];
	p[1] = 0;
	for (uint32_t at = p[0] == 134 ? 16 : 24; at + 8 <= n && draw(4); at += p[at + 1] * 8u) {
		static const uint8_t options[] = { 1, 2, 3, 5, 25, 31 };

		p[at] = options[draw(sizeof(options))];
		p[at + 1] = (uint8_t)(1 + draw(4));
	}
}

static void frame6(uint8_t *f, uint32_t n)
{
	static const uint8_t nexts[] = { 58, 58, 58, 6, 17, 44, 0, 43, 60 };
	uint8_t next = nexts[draw(9)], *p = f + 54;
	uint32_t bytes = n - 54, pseudo;

	f[12] = 0x86, f[13] = 0xdd;
	head6(f, n, next);
	pseudo = rf_checksum(f + 22, 32) + next * 256u + lwip_htons((uint16_t)bytes);
	if (next == 6 || next == 17)
		ports(p, next);
	if (next == 58)
		message6(p, bytes);
	if (next == 44)
		p[0] = draw(2) ? 6 : 17, p[4] = 0, p[5] = 0, p[6] = 0, p[7] = (uint8_t)draw(4);
	if (next == 6 || next == 17 || next == 58)
		sum_to(p + (next == 6 ? 16 : next == 17 ? 6 : 2), pseudo, p, bytes);
}

/* Noise first, then as much of a frame as lets it come far. */
static void random_frame(void)
{
	uint8_t f[1600];
	uint32_t n = draw(16) ? 100 + draw(1415) : draw(1600);

	for (uint32_t i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)draw(256);
	if (draw(32))
		memcpy(f, macs, 12);
	uint32_t kind = n < 100 ? 9 : draw(10);
	if (kind < 4)
		frame4(f, n);
	else if (kind < 8)
		frame6(f, n);
	else if (kind == 8)
		memcpy(f + 12, (uint8_t[10]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)(1 + draw(2)) },
		       10);
	wire_frame(f, n);
}

/* ---- the stack ----------------------------------------------------------------------------- */

static void greet(struct stream *s, void *owner)
{
	struct iovec piece[2];
	int n = stream_peek(s, piece);

	(void)owner;
	for (int i = 0; i < n; i++)
		stream_consume(s, piece[i].iov_len);
	if (s->error || stream_at_end(s))
		stream_close(s);
}

static bool takes(struct stream *s, void *arg)
{
	(void)arg;
	s->event = greet;
	stream_write(s, "hi!", 3);
	return true;
}

static bool anybody(const ip_addr_t *peer, void *arg)
{
	(void)peer, (void)arg;
	return true;
}

static void seconds(int n)
{
	for (; n; n--) {
		wire_wait(1000);
		stream_run();
	}
}

static void arp_said(void)
{
	uint8_t f[42] = { [12] = 8, 6,  0, 1, 8, 0, 6, 4, 0, 1, 2, 0,  0, 0, 0,
			  1,        10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };

	memcpy(f, macs, 12);
	wire_frame(f, sizeof(f));
}

static void segment(uint8_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t f[54] = { [12] = 8, 0,  0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0,
			  0,        10, 0,    0, 1, 10, 0, 0, 2, 3, 9,  0, PORT };
	uint8_t *t = f + 34;

	memcpy(f, macs, 12);
	for (int i = 0; i < 4; i++) {
		t[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
		t[8 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	memcpy(t + 12, (uint8_t[4]){ 0x50, flags, 0xff, 0xff }, 4);
	sum_to(f + 24, 0, f + 14, 20);
	sum_to(t + 16, rf_checksum(f + 26, 8) + 6 * 256u + lwip_htons(20), t, 20);
	wire_frame(f, sizeof(f));
	stream_run();
}

static void serves(void)
{
	answers = synack_seq = 0;
	arp_said();
	segment(TCP_SYN, 7000, 0);
	assert_true(synack_seq);
	segment(TCP_ACK, 7001, synack_seq + 1);
	assert_true(answers);
	segment(TCP_RST, 7001, 0);
}

static void long_random_frames_leave_nothing_behind(void **unused)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC,
					   .bits4 = 24,
					   .address4 = { 10, 0, 0, 2 },
					   .mode6 = RF_LWIP_STATIC };
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
	STAT_COUNTER rest[MEMP_MAX];

	(void)unused;
	print_message("# SEED=%llu\n", (unsigned long long)seed);
	random_state = seed;
	memcpy(c.address6, us6, 16);
	rf_log_name = "lwip";
	clock_ns = 1000000000;
	stack_init();
	stream_init();
	stack_open(&stack, &wire, &c);
	netif_set_ip6_autoconfig_enabled(&stack.netif, 1);
	assert_int_equal(stream_listen(NULL, PORT, anybody, takes, NULL), 0);
	serves();
	seconds(600);
	for (int i = 0; i < MEMP_MAX; i++)
		rest[i] = lwip_stats.memp[i]->used;
	for (int i = 0; i < FRAMES; i++) {
		random_frame();
		stream_run();
		wire_wait(draw(3));
	}
	assert_true(stack.link->rx_frames > FRAMES / 2);
	serves();
	seconds(1200);
	for (int i = 0; i < MEMP_MAX; i++)
		if (lwip_stats.memp[i]->used > rest[i] && i != MEMP_MLD6_GROUP)
			fail_msg("pool %d: %u in use, %u at rest", i,
				 (unsigned)lwip_stats.memp[i]->used, (unsigned)rest[i]);
	serves();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		long_random_frames_leave_nothing_behind) };

	return cmocka_run_group_tests_name("lwip_frames", tests, NULL, NULL);
}
