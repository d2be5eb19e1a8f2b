/* SPDX-License-Identifier: MIT */
/*
 * fuzz_nbd.c - the NBD server against a client that sends anything, in pieces of any size.
 *
 * Room:   tests/fuzz. Input: one byte of options (does it read its answers, does it vanish
 *         early, does its handshake come for free), then what the client sends, cut into
 *         pieces by length bytes.
 * Judged: when the client is gone, nothing of it is left in the server.
 */
#include "tests/unit/blk_fixture.h"

#undef skip /* of cmocka */
#include "sandbox/lib/accept.c"
#include "sandbox/export/nbd/close.c"
#include "sandbox/export/nbd/conn.c"
#include "sandbox/export/nbd/edge.c"
#include "sandbox/export/nbd/handshake.c"
#include "sandbox/export/nbd/losses.c"
#include "sandbox/export/nbd/part.c"
#include "sandbox/export/nbd/limit.c"
#include "sandbox/export/nbd/pool.c"
#include "sandbox/export/nbd/reply.c"
#include "sandbox/export/nbd/request.c"
#include "sandbox/export/nbd/slots.c"
#include "sandbox/export/nbd/send.c"
#include "sandbox/export/nbd/socket.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct served *t;
static struct nbd_server srv;
static unsigned char disk[1 << 20];

static void open_server(void)
{
	t = served_new(0);
	t->ram.disk = disk;
	t->ram.size = sizeof(disk);
	srv.service = t->s;
	srv.info = rf_blk_info(t->s);
	srv.whole = (struct nbd_export){ .name = "disk", .size = srv.info ? srv.info->size : 0 };
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!srv.info || nbd_pools_open(&srv))
		abort();
	nbd_edges_open(&srv);
}

/* One turn of the server's loop, and of an honest driver behind it. */
static void turn(struct nbd_conn *c)
{
	struct rf_blk_req req;

	if (c->state != NBD_FREE && c->state != NBD_DEAD)
		nbd_conn_event(c, true, c->blocked, false);
	rf_blk_push(t->s);
	while (ram_take(&t->ram, &req))
		ram_answer(&t->ram, &req, ram_execute(&t->ram, &req));
	rf_blk_poll(t->s);
	while (srv.output_list) {
		struct nbd_conn *d = srv.output_list;

		srv.output_list = d->output_next;
		d->has_output = false;
		nbd_conn_send(d);
	}
	if (srv.retry) {
		srv.retry = false;
		if (c->throttled && c->state < NBD_CLOSING && c->state != NBD_FREE)
			nbd_conn_input(c);
	}
}

static void swallow(int fd)
{
	static unsigned char sink[65536];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char hello[] = { 0,   0,   0,   3,   'I', 'H', 'A', 'V', 'E',
					       'O', 'P', 'T', 0,   0,   0,   8,   0,   0,
					       0,   0,   'I', 'H', 'A', 'V', 'E', 'O', 'P',
					       'T', 0,   0,   0,   7,   0,   0,   0,   6,
					       0,   0,   0,   0,   0,   0 };
	int pair[2];

	if (!size)
		return 0;
	if (!t)
		open_server();
	uint8_t options = *data++;
	size--;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		abort();
	struct nbd_conn *c = nbd_conn_slot(&srv, "a fuzzer");
	c->transport = &over_socket;
	c->fd = pair[0];
	nbd_conn_open(c, &srv.whole);
	if (options & 1 && send(pair[1], hello, sizeof(hello), 0) != sizeof(hello))
		abort();
	turn(c);
	while (size) {
		size_t n = 1 + data[0];
		data++;
		size--;
		if (n > size)
			n = size;
		if (send(pair[1], data, n, MSG_NOSIGNAL) < 0)
			break; /* the server hung up: its right */
		data += n;
		size -= n;
		turn(c);
		if (options & 2)
			swallow(pair[1]);
	}
	if (options & 4)
		shutdown(pair[1], SHUT_WR);
	for (int i = 0; i < 4; i++) {
		turn(c);
		swallow(pair[1]);
	}
	close(pair[1]);
	for (int i = 0; i < 1000 && c->state != NBD_FREE; i++)
		turn(c);
	if (c->state != NBD_FREE || rf_blk_inflight(t->s) || srv.clients)
		abort();
	return 0;
}
