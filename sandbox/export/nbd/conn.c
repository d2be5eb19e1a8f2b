/* SPDX-License-Identifier: MIT */
/*
 * conn.c - connections: opened, received from.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <errno.h>
#include <string.h>

#include "nbd.h"

#define ROUNDS 32 /* receives in a row before other connections have their turn */

void nbd_conn_open(struct nbd_conn *c, const struct nbd_export *export)
{
	struct nbd_server *srv = c->server;

	c->export = export;
	c->id = ++srv->clients_ever;
	c->reply_tail = &c->reply_head;
	c->until = srv->now + NBD_GREET_NS;
	nbd_clients_count(srv, 1);
	nbd_limit_join(c);
	nbd_greet(c);
	nbd_conn_watch(c);
}

/* The client sends nothing more. Requests that arrived whole are still answered. */
static void half_closed(struct nbd_conn *c)
{
	struct nbd_cmd *cmd = c->cmd;
	bool torn = c->state > NBD_REQUEST || (c->state == NBD_REQUEST && c->in_len);

	if (torn && c->commands == (cmd != NULL)) {
		nbd_conn_ended(c);
		return;
	}
	if (c->part)
		nbd_part_free(c->part);
	c->part = NULL;
	c->cmd = NULL;
	nbd_conn_finish(c);
	if (cmd)
		nbd_cmd_put(cmd);
}

/* Bytes received, 0: none now, -1: the connection has ended. *more: perhaps more. */
static ssize_t conn_receive(struct nbd_conn *c, bool *more)
{
	struct iovec iov[2];
	int pieces = 1;
	size_t direct = 0, room;

	if (c->in_at) {
		memmove(c->in, c->in + c->in_at, c->in_len);
		c->in_at = 0;
	}
	room = (c->state < NBD_REQUEST ? NBD_IN_BYTES : NBD_AHEAD) - c->in_len;
	if (c->state == NBD_PAYLOAD && c->part) {
		const struct nbd_part *part = c->part;
		bool last = c->cmd->started + part->payload == c->cmd->length;

		direct = part->payload - c->filled;
		room = last ? NBD_REQUEST_BYTES : 0;
		iov[0].iov_base = (char *)rf_blk_at(c->server->service, part->io.arena) +
				  part->skip + c->filled;
		iov[0].iov_len = direct;
		pieces = room ? 2 : 1;
	} else if (c->state == NBD_REQUEST && c->wrote) {
		/* payload follows, which must not come into this buffer */
		room = NBD_REQUEST_BYTES - c->in_len;
	}
	iov[direct != 0] = (struct iovec){ c->in + c->in_len, room };

	ssize_t n = c->transport->receive(c, iov, pieces);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		n ? nbd_conn_broke(c) : half_closed(c);
		return -1;
	}
	c->gave = c->server->now;
	*more = (size_t)n == direct + room;
	size_t in_arena = (size_t)n < direct ? (size_t)n : direct;
	c->filled += (uint32_t)in_arena;
	c->in_len += (uint32_t)((size_t)n - in_arena);
	return n;
}

void nbd_conn_input(struct nbd_conn *c)
{
	bool more = true;
	int rounds = 0;

	if (c->throttled) /* the client could not send while it was throttled */
		c->gave = c->server->now;
	c->throttled = false;
	while (nbd_conn_reads(c)) {
		enum nbd_step step = c->state < NBD_REQUEST ? nbd_handshake(c) : nbd_request(c);

		if (step == NBD_ENDED)
			break;
		if (step == NBD_THROTTLED) {
			c->throttled = true;
			break;
		}
		/* What the transport still has brings us back here: readiness is
		 * level-triggered. */
		if (step == NBD_MORE &&
		    (!more || rounds++ == ROUNDS || conn_receive(c, &more) <= 0))
			break;
	}
	if (c->state == NBD_FREE || c->state == NBD_DEAD)
		return;
	nbd_conn_settle(c);
	nbd_conn_watch(c);
}

void nbd_conn_event(struct nbd_conn *c, bool receive, bool send, bool broken)
{
	nbd_losses_arrived(c);
	if (send) {
		c->blocked = false;
		nbd_conn_send(c);
	}
	if (c->state == NBD_FREE || c->state == NBD_DEAD)
		return;
	if (broken && (c->throttled || c->state == NBD_CLOSING))
		nbd_conn_broke(c);
	else if ((receive || broken) && !c->throttled)
		nbd_conn_input(c);
}
