/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_shares.c - rf-lwip, as shipped and locked: what all its clients share, and no one
 * host, listener or closed connection can have for itself.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

#include "wire_stack.h"
#include "wire_nbd.h"

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"address6 fd09::2/64",
	"gateway 10.9.0.1",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24 fd09::/64",
	"status lwip-tcp *:80 allow 10.9.0.0/24 fd09::/64",
	"socks tcp:127.0.0.1:1080", /* SOCKS_A */
	"socks tcp:127.0.0.1:1081", /* SOCKS_B */
	NULL,
};
enum { SOCKS_A = 2, SOCKS_B }; /* indices of these lines */

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

/* Allowed by their addresses, but they never answer. */
static void half_open_connections_keep_nobody_out(void **unused)
{
	(void)unused;
	for (uint16_t i = 0; i < 200; i++) {
		wire_watch(&s.peer, &conn[i], wire_me4, false, 4000 + i, 10809);
		conn[i].from[3] = (uint8_t)(20 + i);
		wire_syn(&s.peer, &conn[i]);
	}
	wire_watch(&s.peer, &conn[200], wire_me4, false, 4000, 10809);
	assert_true(wire_connect(&s.peer, &conn[200]));
}

static void one_address_cannot_have_all_connections(void **unused)
{
	(void)unused;
	static const uint8_t other[4] = { 10, 9, 0, 7 };
	int had = 0;

	/* More than there are streams: those that do not say what they want make room, the oldest
	 * first, and another address has its own share. */
	for (uint16_t i = 0; i < 80; i++) {
		wire_watch(&s.peer, &conn[i], wire_me4, false, 4000 + i, 10809);
		had += wire_connect(&s.peer, &conn[i]);
	}
	assert_true(had >= 16);
	wire_watch(&s.peer, &conn[80], other, false, 4000, 10809);
	nbd_client(&s, &conn[80]);
	still_serves(&s, 5000);
}

/* Answered, closed by the server, and never taken: the answers wait for a window. */
static void closed_connections_keep_nobody_out(void **unused)
{
	(void)unused;
	static const char get[] = "GET / HTTP/1.1\r\n\r\n";
	static const uint8_t other[4] = { 10, 9, 0, 7 };

	for (uint16_t i = 0; i < 75; i++) {
		s.peer.conns = 0;
		for (uint16_t k = 0; k < 4; k++) {
			wire_watch(&s.peer, &conn[k], wire_me4, false, (uint16_t)(4000 + 4 * i + k),
				   80);
			conn[k].window = 0;
			wire_syn(&s.peer, &conn[k]);
		}
		assert_true(wire_settle(&s.peer));
		for (int k = 0; k < 4; k++)
			if (conn[k].synacks)
				wire_say(&s.peer, &conn[k], get, sizeof(get) - 1);
	}
	wire_watch(&s.peer, &conn[4], other, false, 4000, 80);
	assert_true(wire_connect(&s.peer, &conn[4]));
}

/* Two answers of 60 KiB are asked for, and the end; none of them is taken. */
static void leave_bytes_behind(struct wire_conn *c)
{
	uint8_t b[64];

	nbd_client(&s, c);
	c->window = 0;
	c->mute = true;
	wire_say(&s.peer, c, b, nbd_read(b, 0, 60 << 10));
	wire_say(&s.peer, c, b, nbd_read(b, 0, 60 << 10));
	wire_tcp(&s.peer, c, WIRE_ACK | WIRE_FIN, c->seq++, c->ack, NULL, 0);
}

/* The memory that closed connections of one host hold is there for those that are open. */
static void bytes_nobody_takes_keep_nobody_out(void **unused)
{
	(void)unused;
	static const uint8_t other[4] = { 10, 9, 0, 7 };
	struct wire_conn *c = &conn[1];
	uint8_t b[64];

	for (uint16_t i = 0; i < 100; i++) {
		s.peer.conns = 0;
		wire_watch(&s.peer, &conn[0], wire_me4, false, (uint16_t)(4000 + i), 10809);
		leave_bytes_behind(&conn[0]);
		assert_true(wire_settle(&s.peer));
	}
	s.peer.conns = 0;
	wire_watch(&s.peer, c, other, false, 4000, 10809);
	nbd_client(&s, c);
	wire_say(&s.peer, c, b, nbd_read(b, 0, 1 << 20));
	assert_true(wire_await(&s.peer, c, 28 + 16 + (1 << 20)));
}

/* As many addresses as it likes are one host's: it cannot have all pages. */
static void one_host_with_many_addresses_has_one_share(void **unused)
{
	(void)unused;
	wire_wait6(&s);
	for (uint16_t i = 0; i < 16; i++) {
		wire_watch(&s.peer, &conn[i], wire_me6, true, 4000 + i, 80);
		conn[i].from[15] = (uint8_t)(20 + i);
		(void)wire_connect(&s.peer, &conn[i]);
	}
	wire_watch(&s.peer, &conn[16], wire_me4, false, 4000, 80);
	assert_true(wire_connect(&s.peer, &conn[16]));
}

/* What a SOCKS client hears: 5, 0. False: nothing, or the end. */
static bool greeted(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[2] = "";

	(void)!send(fd, "\5\1", 3, MSG_NOSIGNAL);
	for (int i = 0; i < 50 && poll(&p, 1, 0) <= 0; i++)
		assert_true(
			wire_settle(&s.peer)); /* the stack has looked at its sockets once more */
	return recv(fd, answer, 2, MSG_DONTWAIT) == 2 && answer[0] == 5 && !answer[1];
}

/* Clients that connect and say no more, more of them than there are places. */
static void one_service_cannot_have_all_places(void **unused)
{
	(void)unused;
	int idle[80], other;

	for (int i = 0; i < 80; i++)
		idle[i] = wire_dial(&s, SOCKS_A, INADDR_LOOPBACK);
	assert_true(wire_settle(&s.peer));
	other = wire_dial(&s, SOCKS_A, INADDR_LOOPBACK + 1);
	assert_true(greeted(other));
	close(other);
	other = wire_dial(&s, SOCKS_B, INADDR_LOOPBACK + 1);
	assert_true(greeted(other));
	close(other);
	for (int i = 0; i < 80; i++)
		close(idle[i]);
}

/* Out-of-order segments of one client fill the pool of buffers: others are served. */
static void buffers_held_by_one_client_come_back(void **unused)
{
	(void)unused;
	static uint8_t zero[64];

	for (uint16_t i = 0; i < 28; i++) {
		wire_watch(&s.peer, &conn[i], wire_me4, false, 4000 + i, 10809);
		conn[i].from[3] = (uint8_t)(20 + i);
		assert_true(wire_connect(&s.peer, &conn[i]));
	}
	for (uint16_t i = 0; i < 28; i++)
		for (uint32_t k = 0; k < 90; k++)
			wire_tcp(&s.peer, &conn[i], WIRE_ACK, conn[i].seq + 100 + 100 * k,
				 conn[i].ack, zero, 64);
	s.peer.conns = 0;
	assert_true(wire_settle(&s.peer));
	still_serves(&s, 6003);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(half_open_connections_keep_nobody_out),
		CASE(one_address_cannot_have_all_connections),
		CASE(closed_connections_keep_nobody_out),
		CASE(bytes_nobody_takes_keep_nobody_out),
		CASE(one_host_with_many_addresses_has_one_share),
		CASE(one_service_cannot_have_all_places),
		CASE(buffers_held_by_one_client_come_back),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("lwip_shares", tests, NULL, NULL);
}
