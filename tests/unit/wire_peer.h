/* SPDX-License-Identifier: MIT */
/*
 * wire_peer.h - whoever shares the link with rf-lwip: makes any frame, and sees all of its.
 *
 * Room:   tests/unit, and tests/attacks.
 * Cable:  a SEQPACKET pair, a frame a message. The stack is 10.9.0.2 and fd09::2 there, with
 *         MAC 02:00:00:00:00:09; every other address of the two networks is ours.
 * Waits:  wire_settle() ends when the stack has answered an echo that was sent after all
 *         else, so that "nothing was answered" needs no clock.
 */
#ifndef RF_TEST_WIRE_PEER_H
#define RF_TEST_WIRE_PEER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "rig.h"

#define WIRE_DEADLINE_MS 30000
#define WIRE_CONNS       256

enum { WIRE_FIN = 1, WIRE_SYN = 2, WIRE_RST = 4, WIRE_PSH = 8, WIRE_ACK = 16 };

struct wire_conn {
	bool     six;
	uint8_t  from[16];   /* the address it says it has: 4 or 16 bytes */
	uint16_t port, to;
	uint16_t window;     /* it says it has */
	uint16_t mss;        /* in each of its segments; 0: of Ethernet, in its SYN */
	uint32_t seq, ack;   /* next to send, next to expect */
	uint32_t iss;        /* the stack's initial number */
	uint32_t synacks, resets, frames;
	uint32_t length;     /* bytes received in order */
	uint32_t longest;    /* packet of it */
	uint32_t wild;       /* segments dropped: out of order, or passed by */
	uint8_t *bytes;      /* room for `room` of them, or NULL */
	uint32_t room;
	bool     mute;       /* lets data pass by, and acknowledges nothing */
	uint8_t  said[64];   /* the last thing said, if it fits: said again where it was lost */
	uint32_t said_bytes;
};

struct wire_peer {
	int      fd;
	uint16_t echo;       /* id of the last one sent; and of the last one answered */
	uint16_t echoed, echoed6;
	uint32_t answers;    /* frames of the stack but ARP and neighbour messages */
	uint32_t errors;     /* ICMP and ICMPv6 errors among them */
	uint32_t tail_gap;   /* IPv6 fragments seen, for a test to look at */
	bool     unreachable;/* answers no ARP */
	bool     hearing;
	struct wire_conn *conn[WIRE_CONNS];
	uint32_t conns;
	uint8_t  part[70000];
	uint32_t part_length;
};

static const uint8_t wire_mac[6] = { 2, 0, 0, 0, 0, 9 }, wire_my_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t wire_stack4[4] = { 10, 9, 0, 2 }, wire_me4[4] = { 10, 9, 0, 1 };
static const uint8_t wire_stack6[16] = { 0xfd, 9, [15] = 2 }, wire_me6[16] = { 0xfd, 9, [15] = 1 };

static inline void wire_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
	wire_put16(p, v >> 16);
	wire_put16(p + 2, v);
}

static inline uint32_t wire_get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t wire_get32(const uint8_t *p)
{
	return wire_get16(p) << 16 | wire_get16(p + 2);
}

static inline uint32_t wire_add(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += wire_get16(p + i);
	return n & 1 ? sum + ((uint32_t)p[n - 1] << 8) : sum;
}

static inline void wire_fold(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	wire_put16(at, ~sum & 0xffff);
}

/* ---- frames out ------------------------------------------------------------------------- */

static inline bool wire_hear(struct wire_peer *w, int ms);

/* The stack's frames are taken meanwhile: it loses what we have no room for. */
static inline void wire_send(struct wire_peer *w, const void *frame, uint32_t n)
{
	struct pollfd p = { .fd = w->fd, .events = POLLOUT };

	while (!w->hearing && wire_hear(w, 0))
		;
	while (send(w->fd, frame, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		rig_must(poll(&p, 1, WIRE_DEADLINE_MS) == 1, "the stack reads no more frames");
}

/* Ethernet and IP in front of what lies at f + 14 + 20 or f + 14 + 40; length of the frame. */
static inline uint32_t wire_head(uint8_t *f, bool six, const uint8_t *from, uint8_t proto,
				 uint32_t n)
{
	memcpy(f, wire_mac, 6);
	memcpy(f + 6, wire_my_mac, 6);
	wire_put16(f + 12, six ? 0x86dd : 0x0800);
	uint8_t *ip = f + 14;
	if (six) {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		wire_put16(ip + 4, n);
		ip[6] = proto;
		ip[7] = 255;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, wire_stack6, 16);
		return 54 + n;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	wire_put16(ip + 2, 20 + n);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, wire_stack4, 4);
	wire_fold(ip + 10, wire_add(ip, 20, 0));
	return 34 + n;
}

/* Sum of a transport header and its payload, with the pseudo header. */
static inline void wire_sum4(uint8_t *f, uint32_t field, uint8_t proto, uint32_t n)
{
	bool six = f[12] == 0x86;
	uint8_t *l4 = f + (six ? 54 : 34);

	wire_put16(l4 + field, 0);
	wire_fold(l4 + field,
		  wire_add(l4, n, wire_add(f + (six ? 22 : 26), six ? 32 : 8, proto + n)));
}

static inline void wire_arp(struct wire_peer *w, const uint8_t sender[4], int op)
{
	uint8_t f[42] = { 0 };
	const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, (uint8_t)op };

	memcpy(f, wire_mac, 6);
	memcpy(f + 6, wire_my_mac, 6);
	wire_put16(f + 12, 0x0806);
	memcpy(f + 14, head, 8);
	memcpy(f + 22, wire_my_mac, 6);
	memcpy(f + 28, sender, 4);
	memcpy(f + 32, wire_mac, 6);
	memcpy(f + 38, wire_stack4, 4);
	wire_send(w, f, 42);
}

/* A neighbour advertisement (RFC 4861, 4.4) for `target`. */
static inline void wire_neighbor(struct wire_peer *w, const uint8_t *target, bool all)
{
	static const uint8_t everybody[16] = { 0xff, 2, [15] = 1 };
	uint8_t f[86] = { 0 };
	uint8_t *p = f + 54;

	p[0] = 136;
	p[4] = all ? 0x20 : 0x60;
	memcpy(p + 8, target, 16);
	p[24] = 2;
	p[25] = 1;
	memcpy(p + 26, wire_my_mac, 6);
	wire_head(f, true, target, 58, 32);
	if (all) {
		memcpy(f + 38, everybody, 16);
		memcpy(f, "\x33\x33\0\0\0\1", 6);
	}
	wire_sum4(f, 2, 58, 32);
	wire_send(w, f, sizeof(f));
}

static inline uint32_t wire_echo_frame(uint8_t *f, bool six, const uint8_t *from, uint16_t id)
{
	uint8_t *p = f + (six ? 54 : 34);

	memset(p, 0, 16);
	p[0] = six ? 128 : 8;
	wire_put16(p + 4, id);
	uint32_t n = wire_head(f, six, from, six ? 58 : 1, 16);
	if (six)
		wire_sum4(f, 2, 58, 16);
	else
		wire_fold(p + 2, wire_add(p, 16, 0));
	return n;
}

static inline uint32_t wire_segment(uint8_t *f, const struct wire_conn *c, uint8_t flags,
				    uint32_t seq, uint32_t ack, const void *data, uint32_t n)
{
	uint8_t *t = f + (c->six ? 54 : 34);
	uint32_t head = flags & WIRE_SYN || c->mss ? 24 : 20;

	memset(t, 0, 20);
	wire_put32(t + 20, 0x02040000u | (c->mss ? c->mss : c->six ? 1440 : 1460));
	wire_put16(t, c->port);
	wire_put16(t + 2, c->to);
	wire_put32(t + 4, seq);
	wire_put32(t + 8, ack);
	t[12] = (uint8_t)(head << 2);
	t[13] = flags;
	wire_put16(t + 14, c->window);
	if (n)
		memcpy(t + head, data, n);
	uint32_t length = wire_head(f, c->six, c->from, 6, head + n);
	wire_sum4(f, 16, 6, head + n);
	return length;
}

static inline void wire_tcp(struct wire_peer *w, const struct wire_conn *c, uint8_t flags,
			    uint32_t seq, uint32_t ack, const void *data, uint32_t n)
{
	uint8_t f[2000];

	wire_send(w, f, wire_segment(f, c, flags, seq, ack, data, n));
}

/* ---- frames in ---------------------------------------------------------------------------- */

static inline void wire_take_tcp(struct wire_peer *w, struct wire_conn *c, const uint8_t *t,
				 uint32_t n)
{
	uint32_t head = (t[12] >> 4) * 4u, seq = wire_get32(t + 4), data = n - head;

	c->frames++;
	if (t[13] & WIRE_RST)
		c->resets++;
	if ((t[13] & (WIRE_SYN | WIRE_ACK)) == (WIRE_SYN | WIRE_ACK)) {
		c->synacks++;
		c->iss = seq;
		c->ack = seq + 1;
		return;
	}
	if (!data)
		return;
	if (c->mute) {
		c->wild++;
		return;
	}
	uint32_t old = c->ack - seq; /* bytes of it that were here already */
	if (old >= data) {
		c->wild++;
	} else {
		if (c->bytes && c->length + data - old <= c->room)
			memcpy(c->bytes + c->length, t + head + old, data - old);
		c->length += data - old;
		c->ack += data - old;
	}
	wire_tcp(w, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
}

static inline void wire_take_ip(struct wire_peer *w, bool six, const uint8_t *ip, uint32_t total)
{
	const uint8_t *l4 = ip + (six ? 40 : 20);
	uint32_t n = total - (six ? 40 : 20);
	uint8_t proto = six ? ip[6] : ip[9];

	w->answers++;
	w->errors += six ? proto == 58 && l4[0] < 128 : proto == 1 && l4[0] == 3;
	if (!six && proto == 1 && l4[0] == 0)
		w->echoed = (uint16_t)wire_get16(l4 + 4);
	if (six && proto == 58 && l4[0] == 129)
		w->echoed6 = (uint16_t)wire_get16(l4 + 4);
	for (uint32_t i = 0; proto == 6 && i < w->conns; i++) {
		struct wire_conn *c = w->conn[i];

		if (c->six == six && wire_get16(l4 + 2) == c->port && wire_get16(l4) == c->to &&
		    !memcmp(ip + (six ? 24 : 16), c->from, six ? 16 : 4))
			wire_take_tcp(w, c, l4, n);
	}
}

/* Fragments come in order on this cable. */
static inline void wire_take_fragment(struct wire_peer *w, const uint8_t *ip, uint32_t total)
{
	uint32_t n = total - 48, word = wire_get16(ip + 42), at = word & 0xfff8u;

	w->tail_gap++;
	if (!at) {
		memcpy(w->part, ip, 40);
		w->part[6] = ip[40];
	}
	memcpy(w->part + 40 + at, ip + 48, n);
	w->part_length = 40 + at + n;
	if (!(word & 1))
		wire_take_ip(w, true, w->part, w->part_length);
}

static inline void wire_take(struct wire_peer *w, const uint8_t *f, uint32_t n)
{
	uint32_t type = wire_get16(f + 12);

	if (type == 0x0806) {
		if (f[21] == 1 && memcmp(f + 38, wire_stack4, 4) && !w->unreachable)
			wire_arp(w, f + 38, 2);
	} else if (type == 0x0800) {
		wire_take_ip(w, false, f + 14, wire_get16(f + 16));
	} else if (type == 0x86dd && f[20] == 58 && f[54] >= 130) {
		if (f[54] == 135 && memcmp(f + 62, wire_stack6, 16) && f[62] != 0xfe)
			wire_neighbor(w, f + 62, false);
	} else if (type == 0x86dd) {
		uint32_t total = 40 + wire_get16(f + 18);

		for (uint32_t i = 0; i < w->conns; i++)
			if (w->conn[i]->six && w->conn[i]->longest < total)
				w->conn[i]->longest = total;
		if (f[20] == 44)
			wire_take_fragment(w, f + 14, total);
		else
			wire_take_ip(w, true, f + 14, total);
	}
	(void)n;
}

/* One frame, within the deadline; false: none came in `ms`. */
static inline bool wire_hear(struct wire_peer *w, int ms)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	uint8_t f[10000];

	if (poll(&p, 1, ms) <= 0)
		return false;
	ssize_t n = recv(w->fd, f, sizeof(f), MSG_DONTWAIT);
	if (n <= 0)
		return false;
	w->hearing = true;
	wire_take(w, f, (uint32_t)n);
	w->hearing = false;
	return true;
}

/* All that was sent is done with, and what it made the stack ask for, too. False: the stack
 * answers no more. */
static inline bool wire_settle(struct wire_peer *w)
{
	uint8_t f[64];

	for (int round = 0; round < 2; round++) {
		w->echo++;
		wire_send(w, f, wire_echo_frame(f, false, wire_me4, w->echo));
		for (int i = 0; w->echoed != w->echo; )
			if (!wire_hear(w, 1000)) {
				if (i++ == WIRE_DEADLINE_MS / 1000)
					return false;
				wire_send(w, f, wire_echo_frame(f, false, wire_me4, w->echo));
			}
	}
	return true;
}

/* ---- connections ---------------------------------------------------------------------------- */

static inline void wire_watch(struct wire_peer *w, struct wire_conn *c, const uint8_t *from,
			      bool six, uint16_t port, uint16_t to)
{
	*c = (struct wire_conn){ .six = six, .port = port, .to = to, .seq = 7000u + port,
				   .window = 65535 };
	memcpy(c->from, from, six ? 16 : 4);
	rig_must(w->conns < WIRE_CONNS, "conns");
	w->conn[w->conns++] = c;
}

static inline void wire_syn(struct wire_peer *w, struct wire_conn *c)
{
	wire_tcp(w, c, WIRE_SYN, c->seq++, 0, NULL, 0);
}

/* The whole handshake. False: it is not answered in time, or with a reset. */
static inline bool wire_connect(struct wire_peer *w, struct wire_conn *c)
{
	wire_syn(w, c);
	while (!c->synacks && !c->resets)
		if (!wire_hear(w, WIRE_DEADLINE_MS))
			return false;
	if (c->resets)
		return false;
	wire_tcp(w, c, WIRE_ACK, c->seq, c->ack, NULL, 0);
	return wire_settle(w) && !c->resets;
}

/* At least `length` bytes came on it. A stack whose memory is used up drops a segment, as it may,
 * and gets it again, as of any host. */
static inline bool wire_await(struct wire_peer *w, struct wire_conn *c, uint32_t length)
{
	for (int silent = 0; c->length < length;) {
		if (wire_hear(w, 1000))
			continue;
		if (silent++ == WIRE_DEADLINE_MS / 1000)
			return false;
		if (c->said_bytes)
			wire_tcp(w, c, WIRE_ACK | WIRE_PSH, c->seq - c->said_bytes, c->ack,
				 c->said, c->said_bytes);
	}
	return true;
}

static inline void wire_say(struct wire_peer *w, struct wire_conn *c, const void *data, uint32_t n)
{
	wire_tcp(w, c, WIRE_ACK | WIRE_PSH, c->seq, c->ack, data, n);
	c->seq += n;
	c->said_bytes = n <= sizeof(c->said) ? n : 0;
	memcpy(c->said, data, c->said_bytes);
}

#endif
