/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_wire.c - rf-lwip, as shipped and locked, on a link where anybody may write any
 * frame: what strangers, neighbours and allowed clients cannot do.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

#include "wire_stack.h"
#include "wire_nbd.h"

#define WINDOW 65535u

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"address6 fd09::2/64",
	"gateway 10.9.0.1",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24 fd09::/64",
	"disk ram lwip-tcp *:10813",
	"status lwip-tcp *:80 allow 10.9.0.0/25 fd09::/64",
	NULL,
};

static const uint8_t stranger[4] = { 192, 168, 5, 9 };
static struct wire_stack s;
static struct wire_conn conn[WIRE_CONNS];

static int setup(void **unused)
{
	(void)unused;
	wire_start(&s, lines, false);
	wire_ready(&s, 10809);
	memset(conn, 0, sizeof(conn));
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	return wire_end(&s) ? 0 : -1;
}

static void sequence_numbers_have_no_pattern(void **unused)
{
	(void)unused;
	for (uint16_t i = 0; i < 8; i++) {
		wire_watch(&s.peer, &conn[i], wire_me4, false, 4000 + i, 10809);
		wire_syn(&s.peer, &conn[i]);
	}
	assert_true(wire_settle(&s.peer));
	/* Differences of a clock or a counter are small; of a keyed hash one in 2^12 is. */
	int near = 0;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(conn[i].synacks, 1);
		for (int k = 0; k < i; k++)
			near += conn[i].iss - conn[k].iss + (1u << 19) < 1u << 20;
	}
	assert_true(near < 4);
}

/* Of a protocol nobody speaks, or to a UDP port nobody listens at. */
static void unwanted(const uint8_t *from, bool six, uint8_t proto)
{
	uint8_t f[128] = { 0 }, *udp = f + (six ? 54 : 34);

	wire_put16(udp, 4000);
	wire_put16(udp + 2, 9);
	wire_put16(udp + 4, 16);
	uint32_t n = wire_head(f, six, from, proto, 16);
	if (proto == 17)
		wire_sum4(f, 6, 17, 16);
	wire_send(&s.peer, f, n);
}

/* A SYN and an ACK to each of two ports, from `from`: frames they were answered with. */
static uint32_t asked_at(struct wire_conn c[2], const uint8_t *from, uint16_t port, uint16_t other)
{
	for (int i = 0; i < 2; i++) {
		wire_watch(&s.peer, &c[i], from, false, 4500, i ? other : port);
		wire_syn(&s.peer, &c[i]);
		wire_tcp(&s.peer, &c[i], WIRE_ACK, c[i].seq, 1, NULL, 0);
	}
	assert_true(wire_settle(&s.peer));
	return c[0].frames + c[1].frames;
}

static void a_stranger_gets_nothing_and_keeps_nobody_out(void **unused)
{
	(void)unused;
	for (uint16_t i = 0; i < 100; i++) {
		wire_watch(&s.peer, &conn[i], stranger, false, 4000 + i, 10809);
		conn[i].from[3] = (uint8_t)i;
		wire_syn(&s.peer, &conn[i]);
		wire_tcp(&s.peer, &conn[i], WIRE_ACK, conn[i].seq, 1, NULL, 0);
	}
	wire_watch(&s.peer, &conn[100], wire_me4, false, 4000, 10809);
	assert_true(wire_connect(&s.peer, &conn[100]));
	for (int i = 0; i < 100; i++)
		assert_int_equal(conn[i].frames, 0);
}

/* All ports look alike to it, and to who is let in elsewhere: 10814 is closed. */
static void a_stranger_cannot_tell_a_listener_from_a_closed_port(void **unused)
{
	(void)unused;
	static const uint8_t half_known[4] = { 10, 9, 0, 200 }; /* to the disk, not to the page */

	assert_int_equal(asked_at(&conn[0], stranger, 10809, 10814), 0);
	assert_int_equal(asked_at(&conn[2], half_known, 80, 10814), 0);
	unwanted(stranger, false, 17);
	unwanted(stranger, false, 99);
	assert_true(wire_settle(&s.peer));
	assert_int_equal(s.peer.errors, 0);
	/* Who is let in everywhere hears as from any host. */
	asked_at(&conn[4], wire_me4, 10809, 10814);
	assert_true(conn[4].synacks && conn[5].resets);
	unwanted(wire_me4, false, 17);
	unwanted(wire_me4, false, 99);
	assert_true(wire_settle(&s.peer));
	assert_int_equal(s.peer.errors, 2);
}

static void without_a_list_nobody_is_let_in(void **unused)
{
	(void)unused;
	wire_watch(&s.peer, &conn[0], wire_stack4, false, 4000, 10813);
	wire_watch(&s.peer, &conn[1], wire_me4, false, 4001, 10813);
	wire_syn(&s.peer, &conn[0]);
	wire_syn(&s.peer, &conn[1]);
	assert_true(wire_settle(&s.peer));
	assert_int_equal(conn[0].frames + conn[1].frames, 0);
}

/* A SYN, changed by `change`, to the open port; frames it was answered with. */
static uint32_t answered(const uint8_t *from, bool six, void (*change)(uint8_t *f, uint32_t *n))
{
	static uint16_t port = 5000;
	struct wire_conn *c = &conn[port % WIRE_CONNS];
	uint8_t f[200];

	s.peer.conns = 0;
	wire_watch(&s.peer, c, from, six, port++, 10809);
	uint32_t n = wire_segment(f, c, WIRE_SYN, c->seq++, 0, NULL, 0);
	if (change)
		change(f, &n);
	wire_send(&s.peer, f, n);
	assert_true(wire_settle(&s.peer));
	return c->synacks;
}

static void to_all(uint8_t *f, uint32_t *n)
{
	(void)n;
	memset(f, 0xff, 6);
}

static void to_another(uint8_t *f, uint32_t *n)
{
	(void)n;
	f[5] = 77;
}

static void from_a_group(uint8_t *f, uint32_t *n)
{
	(void)n;
	f[6] = 1;
}

static void tag(uint8_t *f, uint32_t *n, uint16_t tci)
{
	memmove(f + 16, f + 12, *n - 12);
	wire_put16(f + 12, 0x8100);
	wire_put16(f + 14, tci);
	*n += 4;
}

static void in_vlan_7(uint8_t *f, uint32_t *n)
{
	tag(f, n, 7);
}

static void with_a_priority(uint8_t *f, uint32_t *n)
{
	tag(f, n, 5 << 13);
}

static void behind_options(uint8_t *f, uint32_t *n)
{
	memmove(f + 62, f + 54, *n - 54);
	memset(f + 54, 0, 8);
	f[54] = 6;
	f[56] = 1;
	f[57] = 4;
	f[20] = 60;
	*n += 8;
	wire_put16(f + 18, *n - 54);
}

static void addresses_and_frames_that_cannot_be(void **unused)
{
	(void)unused;
	static const uint8_t four[][4] = { { 127, 0, 0, 1 },       { 10, 9, 0, 2 },
					   { 10, 9, 0, 255 },      { 224, 0, 0, 1 },
					   { 255, 255, 255, 255 }, { 0, 0, 0, 0 },
					   { 240, 0, 0, 1 } };
	static const uint8_t six[][16] = { { [15] = 1 },
					   { 0xfd, 9, [15] = 2 },
					   { 0xff, 2, [15] = 1 },
					   { 0 },
					   { [10] = 0xff, 0xff, 10, 9, 0, 1 },
					   { [12] = 10, 9, 0, 1 } };

	wire_wait6(&s);
	assert_int_equal(answered(wire_me4, false, NULL), 1);
	assert_int_equal(answered(wire_me4, false, with_a_priority), 1);
	assert_int_equal(answered(wire_me6, true, NULL), 1);
	for (unsigned i = 0; i < sizeof(four) / 4; i++)
		assert_int_equal(answered(four[i], false, NULL), 0);
	for (unsigned i = 0; i < sizeof(six) / 16; i++)
		assert_int_equal(answered(six[i], true, NULL), 0);
	assert_int_equal(answered(wire_me4, false, to_all), 0);
	assert_int_equal(answered(wire_me6, true, to_all), 0);
	assert_int_equal(answered(wire_me4, false, to_another), 0);
	assert_int_equal(answered(wire_me4, false, from_a_group), 0);
	assert_int_equal(answered(wire_me4, false, in_vlan_7), 0);
	assert_int_equal(answered(wire_me6, true, behind_options), 0);
}

/* A server that does not read; a segment across the window's edge, then all that lies before
 * it, as far as the one that waits. */
static void across_the_edge(struct wire_conn *c, uint16_t port, uint8_t flags)
{
	static uint8_t zero[1460];
	uint8_t b[64];

	wire_watch(&s.peer, c, wire_me4, false, port, 10809);
	nbd_client(&s, c);
	c->mute = true;
	wire_say(&s.peer, c, b, nbd_read(b, 0, 8 << 20));
	while (!c->wild)
		assert_true(wire_hear(&s.peer, WIRE_DEADLINE_MS));
	assert_true(wire_settle(&s.peer));
	uint32_t edge = c->seq + WINDOW - 10;
	wire_tcp(&s.peer, c, flags, edge, c->iss + 1, zero, 100);
	for (uint32_t at = c->seq; at != edge; ) {
		uint32_t n = edge - at > 1460 ? 1460 : edge - at;

		wire_tcp(&s.peer, c, WIRE_ACK, at, c->iss + 1, zero, n);
		at += n;
	}
	assert_true(wire_settle(&s.peer));
	assert_true(wire_alive(&s));
}

static void segments_across_the_edge_of_the_window(void **unused)
{
	(void)unused;
	across_the_edge(&conn[0], 4000, WIRE_ACK);
	across_the_edge(&conn[1], 4001, WIRE_ACK | WIRE_FIN);
	still_serves(&s, 6000);
}

/* A message that a packet of `quoted` bytes was too big for a link of this MTU. */
static void too_big(uint32_t mtu, const uint8_t *quoted, uint32_t n)
{
	uint8_t f[1400];
	uint8_t *p = f + 54;

	memset(p, 0, 8);
	p[0] = 2;
	wire_put32(p + 4, mtu);
	memcpy(p + 8, quoted, n);
	uint32_t length = wire_head(f, true, wire_me6, 58, 8 + n);
	wire_sum4(f, 2, 58, 8 + n);
	wire_send(&s.peer, f, length);
}

/* The packet a router would quote: the stack's, with its numbers. */
static uint32_t quote(uint8_t *q, const struct wire_conn *c, uint32_t seq)
{
	uint8_t f[200];

	wire_segment(f, c, WIRE_ACK, seq, 0, NULL, 0);
	memcpy(q, f + 14, 60);
	memcpy(q + 8, wire_stack6, 16);
	memcpy(q + 24, c->from, 16);
	wire_put16(q + 40, c->to);
	wire_put16(q + 42, c->port);
	return 60;
}

static void path_mtus_nobody_has(void **unused)
{
	(void)unused;
	static const uint32_t mtu[] = { 0xffffffff, 1279, 576, 68, 56, 49, 1, 47, 48 };
	struct wire_conn *c = &conn[0];
	uint8_t q[64], f[128];

	wire_wait6(&s);
	wire_watch(&s.peer, c, wire_me6, true, 4000, 10809);
	nbd_client(&s, c);
	for (unsigned i = 0; i < sizeof(mtu) / sizeof(*mtu); i++)
		too_big(mtu[i], q, quote(q, c, c->ack));
	s.peer.echoed6 = 0;
	wire_send(&s.peer, f, wire_echo_frame(f, true, wire_me6, 0x700));
	assert_true(wire_settle(&s.peer));
	assert_int_equal(s.peer.echoed6, 0x700);
	still_serves(&s, 6001);
}

/* In the middle of a download the path gets narrower: no byte is lost or wrong, and what is
 * sent from then on fits. Who was not on the path, and does not know the numbers, is not
 * believed. */
static void a_narrow_path(void **unused)
{
	(void)unused;
	static uint8_t got[4 << 20];
	struct wire_conn *c = &conn[0];
	uint8_t b[64], q[64];
	const uint32_t length = 3 << 20;

	for (uint32_t i = 0; i < length; i++)
		s.e.ram.disk[i] = (uint8_t)(i * 2654435761u >> 24);
	wire_wait6(&s);
	wire_watch(&s.peer, c, wire_me6, true, 4000, 10809);
	c->bytes = got;
	c->room = sizeof(got);
	nbd_client(&s, c);
	too_big(1300, q, quote(q, c, c->ack + 100000)); /* it guesses */
	uint32_t before = c->length;
	wire_say(&s.peer, c, b, nbd_read(b, 0, length));
	assert_true(wire_await(&s.peer, c, before + (1 << 20)));
	assert_int_equal(c->longest, 1500);
	c->mute = true; /* what is in flight is lost at the narrow place */
	while (!c->wild)
		assert_true(wire_hear(&s.peer, WIRE_DEADLINE_MS));
	assert_true(wire_settle(&s.peer));
	too_big(1300, q, quote(q, c, c->ack));
	c->mute = false;
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
	c->longest = 0;
	assert_true(wire_await(&s.peer, c, before + 16 + length));
	assert_true(c->longest <= 1300);
	assert_memory_equal(got + before + 16, s.e.ram.disk, length);
	still_serves(&s, 6002);
}

/* It was tested, nobody objected, it is ours: one frame of a neighbour does not end it. */
static void a_late_claim_does_not_take_an_address(void **unused)
{
	(void)unused;
	uint8_t f[128];

	wire_wait6(&s);
	for (int i = 0; i < 3; i++)
		wire_neighbor(&s.peer, wire_stack6, true);
	wire_arp(&s.peer, wire_stack4, 2);
	s.peer.echoed6 = 0;
	wire_send(&s.peer, f, wire_echo_frame(f, true, wire_me6, 0x701));
	assert_true(wire_settle(&s.peer));
	assert_int_equal(s.peer.echoed6, 0x701);
}

/* Data from somebody who guessed where the window is, but not what was acknowledged: were it
 * taken, the client's own request, for another sector, would count as one that came again. */
static void blind_data_is_not_taken(void **unused)
{
	(void)unused;
	static uint8_t got[4096];
	struct wire_conn *c = &conn[0];
	uint8_t blind[64], own[64];
	uint32_t n = nbd_read(blind, 512, 512);

	strcpy((char *)s.e.ram.disk, "the first sector");
	strcpy((char *)s.e.ram.disk + 512, "the second sector");
	wire_watch(&s.peer, c, wire_me4, false, 4000, 10809);
	c->bytes = got;
	c->room = sizeof(got);
	nbd_client(&s, c);
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack + 0x40000000, blind, n);
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack - 0x40000000, blind, n);
	wire_tcp(&s.peer, c, 0, c->seq, 0, blind, n);
	wire_say(&s.peer, c, own, nbd_read(own, 0, 512));
	assert_true(wire_await(&s.peer, c, 28 + 16 + 512));
	assert_string_equal((char *)got + 28 + 16, "the first sector");
}

/* A window too narrow by a byte, then closed, while bytes that probe it are taken and
 * acknowledged; then it opens. */
static void a_window_that_closes_before_the_last_byte(void **unused)
{
	(void)unused;
	struct wire_conn *c = &conn[0];

	wire_watch(&s.peer, c, wire_me4, false, 4000, 10809);
	c->window = 17; /* of the greeting's 18 bytes */
	assert_true(wire_connect(&s.peer, c));
	c->window = 0;
	assert_true(wire_await(&s.peer, c, 16));
	for (uint32_t seen = c->frames; c->frames < seen + 2 && c->length < 18; )
		assert_true(wire_hear(&s.peer, WIRE_DEADLINE_MS));
	for (int i = 0; i < 40; i++) { /* its timers come by */
		usleep(50000);
		assert_true(wire_settle(&s.peer));
	}
	assert_true(wire_alive(&s));
	c->window = 65535;
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
	assert_true(wire_await(&s.peer, c, 18));
	still_serves(&s, 6004);
}

/* Segments wait to be sent when their client says it takes no more than a few bytes each,
 * and has room for part of one only. */
static void an_mss_that_shrinks(void **unused)
{
	(void)unused;
	struct wire_conn *c = &conn[0];
	uint8_t b[64];

	wire_watch(&s.peer, c, wire_me4, false, 4000, 10809);
	nbd_client(&s, c);
	c->window = 0;
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
	wire_say(&s.peer, c, b, nbd_read(b, 0, 1 << 20));
	assert_true(wire_await(&s.peer, c, 29)); /* the probe of a window that is closed */
	c->mss = 1;
	c->window = 1000;
	wire_tcp(&s.peer, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
	assert_true(wire_await(&s.peer, c, 28 + 1000));
	assert_true(wire_alive(&s));
	still_serves(&s, 6005);
}

/* Sources are easily forged: whoever has one must not be flooded by us. */
static void errors_are_few(void **unused)
{
	(void)unused;
	wire_wait6(&s);
	for (int six = 0; six < 2; six++) {
		time_t from = time(NULL);

		s.peer.errors = 0;
		for (int i = 0; i < 400; i++)
			unwanted(six ? wire_me6 : wire_me4, six, 17);
		assert_true(wire_settle(&s.peer));
		/* Ten, and ten a second. */
		assert_in_range(s.peer.errors, 1, 10 + 10 * (uint32_t)(time(NULL) - from + 2));
		s.peer.errors = 0;
		for (int i = 0; i < WIRE_DEADLINE_MS / 200 && !s.peer.errors; i++) {
			usleep(200000);
			unwanted(six ? wire_me6 : wire_me4, six, 17);
			assert_true(wire_settle(&s.peer));
		}
		assert_true(s.peer.errors);
	}
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(sequence_numbers_have_no_pattern),
		CASE(a_stranger_gets_nothing_and_keeps_nobody_out),
		CASE(a_stranger_cannot_tell_a_listener_from_a_closed_port),
		CASE(without_a_list_nobody_is_let_in),
		CASE(addresses_and_frames_that_cannot_be),
		CASE(segments_across_the_edge_of_the_window),
		CASE(path_mtus_nobody_has),
		CASE(a_narrow_path),
		CASE(a_late_claim_does_not_take_an_address),
		CASE(blind_data_is_not_taken),
		CASE(errors_are_few),
		CASE(a_window_that_closes_before_the_last_byte),
		CASE(an_mss_that_shrinks),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("lwip_wire", tests, NULL, NULL);
}
