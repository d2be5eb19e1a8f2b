/* SPDX-License-Identifier: MIT */
/*
 * tcp_cable.h - rf-lwip's stack as it sends over a cable and to a receiver, and by a clock, that
 * are the test's.
 *
 * Room:   tests/unit. Includes the stack, so that a test sees inside.
 */
#ifndef RF_TEST_TCP_CABLE_H
#define RF_TEST_TCP_CABLE_H

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

#define MS      1000000ull
#define PORT    7
#define HEADERS 54u /* Ethernet, IPv4 and TCP without options */
#define QUEUE   8192u
#define BLOCKS  3u
#define MOST    (192u << 20) /* bytes of a run */

enum { FIN = 1, SYN = 2, ACK = 16 };

struct frame {
	uint64_t at;
	uint32_t length;
	uint8_t  data[1600];
};

/* One way of the cable. */
struct way {
	struct frame *frame;
	uint32_t      head, tail;
};

static struct {
	struct way to_peer, to_stack;
	uint64_t   dice, delay;
	uint32_t   lost_of_1000;
	bool       cut; /* nothing gets through */
	/* the receiver says what is behind a gap, and its window moves, as with Linux */
	bool       sacks;

	/* the receiver */
	uint16_t   port, window;
	/* next: offset behind SYN; got: segments not acknowledged yet */
	uint32_t   acks, irs, seq, next, got;
	uint64_t   ack_at, probes;
	uint8_t   *have; /* by offset */
	uint32_t   top;  /* behind the last byte of those */
	uint32_t   drop[4]; /* the segments that begin there are lost, each number once; 0: none */
	uint32_t   hole;    /* the first that begins there or later is, with its copies; 0: none */
	unsigned   copies;

	/* the sender */
	struct stream *stream;
	uint32_t   written, may_write; /* by offset */
} net;

/* ---- the cable ----------------------------------------------------------------------------- */

static uint32_t chance(uint32_t of)
{
	net.dice = net.dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(net.dice >> 33) % of;
}

static void put(struct way *w, const uint8_t *data, uint32_t length)
{
	if (net.cut || chance(1000) < net.lost_of_1000)
		return;
	assert_true(w->tail - w->head < QUEUE && length <= sizeof(w->frame->data));
	struct frame *f = &w->frame[w->tail++ % QUEUE];
	f->at = clock_ns + net.delay;
	f->length = length;
	memcpy(f->data, data, length);
}

static struct frame *first(struct way *w)
{
	return w->head == w->tail ? NULL : &w->frame[w->head % QUEUE];
}

/* ---- the receiver ---------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
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

/* Up to three blocks of what arrived behind the gap. Bytes of the option. */
static uint32_t sack(uint8_t *o)
{
	uint32_t left = net.next, right, n = 0;

	while (net.sacks && n < BLOCKS) {
		while (left < net.top && !net.have[left])
			left++;
		if (left >= net.top)
			break;
		for (right = left; right < net.top && net.have[right];)
			right++;
		put32(o + 4 + 8 * n, net.irs + 1 + left);
		put32(o + 8 + 8 * n++, net.irs + 1 + right);
		left = right;
	}
	memcpy(o, (uint8_t[]){ 1, 1, 5, (uint8_t)(2 + 8 * n) }, 4);
	return n ? 4 + 8 * n : 0;
}

static void send_tcp(uint8_t flags)
{
	/* MSS of 1,460, window << 7, SACK permitted */
	static const uint8_t options[12] = { 2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 4, 2 };
	uint8_t o[4 + 8 * BLOCKS];
	uint32_t extra = flags & SYN ? (net.sacks ? 12 : 8) : sack(o), tcp = 20 + extra;
	uint8_t f[HEADERS + 4 + 8 * BLOCKS] = { 2,
						0,
						0,
						0,
						0,
						2,
						2,
						0,
						0,
						0,
						0,
						1,
						8,
						0,
						0x45,
						0,
						0,
						(uint8_t)(20 + tcp),
						0,
						0,
						0,
						0,
						64,
						6,
						0,
						0,
						10,
						0,
						0,
						1,
						10,
						0,
						0,
						2,
						(uint8_t)(net.port >> 8),
						(uint8_t)net.port,
						0,
						PORT };
	uint8_t *t = f + 34;

	put32(t + 4, net.seq);
	if (flags & ACK)
		put32(t + 8, net.irs + 1 + net.next);
	t[12] = (uint8_t)(tcp << 2);
	t[13] = flags;
	uint16_t window =
		net.sacks && net.window ? (uint16_t)(net.window - net.acks++ % 64) : net.window;
	t[14] = (uint8_t)(window >> 8);
	t[15] = (uint8_t)window;
	memcpy(t + 20, flags & SYN ? options : o, extra);
	wire_sum(f + 24, sum(f + 14, 20));
	wire_sum(t + 16, sum(f + 26, 8) + sum(t, tcp) + (uint32_t)(6 + tcp) * 256u);
	put(&net.to_stack, f, 34 + tcp);
	net.got = 0;
	net.ack_at = 0;
}

static void answer_arp(const uint8_t *f)
{
	uint8_t a[42] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
			  2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };

	if (f[21] == 1 && f[41] == 1)
		put(&net.to_stack, a, sizeof(a));
}

static uint8_t byte_at(uint32_t offset)
{
	return (uint8_t)(offset * 167 + (offset >> 8) * 13);
}

static void take_data(uint32_t at, const uint8_t *data, uint32_t length)
{
	uint32_t before = net.next;

	if (at + length > MOST)
		return;
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(data[i], byte_at(at + i));
	memset(net.have + at, 1, length);
	net.top = at + length > net.top ? at + length : net.top;
	while (net.next < MOST && net.have[net.next])
		net.next++;
	net.probes += !net.window;
	/* What leaves or fills a gap is acknowledged at once, and every second of the others. */
	if (++net.got >= 2 || at != before || net.next != at + length)
		send_tcp(ACK);
	else
		net.ack_at = clock_ns + 40 * MS;
}

static void peer_takes(const uint8_t *f, uint32_t length)
{
	if (f[12] == 8 && f[13] == 6)
		answer_arp(f);
	if (length < HEADERS || f[12] != 8 || f[13] || f[23] != 6)
		return;
	const uint8_t *t = f + 34;
	uint32_t payload = (uint32_t)(f[16] << 8 | f[17]) - 20 - (t[12] >> 2);
	if (t[13] & SYN) {
		net.irs = get32(t + 4);
		net.seq++;
		send_tcp(ACK);
	} else if (payload) {
		take_data(get32(t + 4) - net.irs - 1, t + (t[12] >> 4) * 4, payload);
	}
}

static void wire_sent(const uint8_t *frame, uint32_t length)
{
	uint32_t at = length > HEADERS && frame[23] == 6 ? get32(frame + 38) - net.irs - 1 : 0;

	for (unsigned i = 0; net.hole && at >= net.hole && i < net.copies; i++)
		net.drop[i] = at;
	net.hole = net.drop[0] ? 0 : net.hole;
	for (int i = 0; i < 4; i++) {
		if (!net.drop[i] || at != net.drop[i])
			continue;
		net.drop[i] = 0;
		return;
	}
	put(&net.to_peer, frame, length);
}

/* ---- the sender ------------------------------------------------------------ */

static void pours(struct stream *s, void *owner)
{
	uint8_t data[4096];
	size_t n = 1;

	(void)owner;
	while (n && !s->error && net.written < net.may_write) {
		uint32_t left = net.may_write - net.written;

		n = stream_room(s) < sizeof(data) ? stream_room(s) : sizeof(data);
		n = left < n ? left : n;
		for (uint32_t i = 0; i < n; i++)
			data[i] = byte_at(net.written + i);
		n = stream_write(s, data, n);
		net.written += (uint32_t)n;
	}
	if (s->error) {
		stream_close(s);
		net.stream = NULL;
	}
}

static bool accepts(struct stream *s, void *arg)
{
	(void)arg;
	net.stream = s;
	s->event = pours;
	return true;
}

static bool anybody(const ip_addr_t *peer, void *arg)
{
	(void)peer;
	(void)arg;
	return true;
}

/* ---- time ------------------------------------------------------------------ */

static void deliver(void)
{
	struct frame *f;

	while ((f = first(&net.to_peer)) && f->at <= clock_ns) {
		net.to_peer.head++;
		peer_takes(f->data, f->length);
	}
	while ((f = first(&net.to_stack)) && f->at <= clock_ns) {
		net.to_stack.head++;
		wire_frame(f->data, f->length);
	}
	if (net.ack_at && net.ack_at <= clock_ns)
		send_tcp(ACK);
}

/* Until then, or until something new has arrived. */
static void pass(uint64_t until, bool anything)
{
	uint32_t before = net.next;

	while (clock_ns < until && !(anything && net.next != before)) {
		uint64_t next = clock_ns + MS;
		struct frame *a = first(&net.to_peer), *b = first(&net.to_stack);

		next = a && a->at < next ? a->at : next;
		next = b && b->at < next ? b->at : next;
		clock_ns = next > clock_ns ? next : clock_ns;
		deliver();
		stack_tick(&stack);
		while (stream_run())
			;
	}
}

/* The sender may write so many bytes more, and does. */
static void write_more(uint32_t bytes)
{
	net.may_write = net.written + bytes;
	stream_note(net.stream);
	while (stream_run())
		;
}

static void connect_with(uint32_t lost_of_1000, uint64_t delay)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC,
					   .bits4 = 24,
					   .address4 = { 10, 0, 0, 2 } };
	static bool open;

	if (!open) {
		clock_ns = 1000 * MS;
		net.to_peer.frame = calloc(QUEUE, sizeof(struct frame));
		net.to_stack.frame = calloc(QUEUE, sizeof(struct frame));
		net.have = malloc(MOST);
		stack_init();
		stream_init();
		stack_open(&stack, &wire, &c);
		assert_int_equal(stream_listen(NULL, PORT, anybody, accepts, NULL), 0);
		net.port = 1000;
		open = true;
	}
	memset(net.have, 0, MOST);
	net.lost_of_1000 = 0;
	net.delay = delay;
	net.cut = false;
	net.window = 0xffff;
	net.port++;
	net.seq = 1000;
	net.next = net.top = 0;
	net.probes = 0;
	net.written = 0;
	net.may_write = UINT32_MAX;
	send_tcp(SYN);
	pass(clock_ns + 5000 * MS, true);
	assert_true(net.next);
	net.lost_of_1000 = lost_of_1000;
}

static void disconnect(void)
{
	net.lost_of_1000 = 0;
	net.cut = false;
	send_tcp(4); /* RST */
	pass(clock_ns + 100 * MS, false);
	net.to_peer.head = net.to_peer.tail;
	net.to_stack.head = net.to_stack.tail;
}

#endif
