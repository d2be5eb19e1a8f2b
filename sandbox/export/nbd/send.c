/* SPDX-License-Identifier: MIT */
/*
 * send.c - what is queued goes to the client, as far as its transport takes it.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <errno.h>

#include "nbd.h"

#define IOVECS 64

void nbd_conn_watch(struct nbd_conn *c)
{
	if (c->state != NBD_FREE && c->state != NBD_DEAD)
		c->transport->watch(c, nbd_conn_reads(c) && !c->throttled, c->blocked);
}

static int gather(struct nbd_conn *c, struct iovec *iov, size_t *total)
{
	size_t skip = c->reply_sent;
	int n = 0;

	*total = 0;
	if (c->out_len)
		iov[n++] = (struct iovec){ c->out + c->out_at, c->out_len - c->out_at };
	for (struct nbd_reply *r = c->reply_head; r && n + 2 <= IOVECS; r = r->next) {
		struct iovec piece[2] = { { r->head, r->head_len }, { r->data, r->data_len } };

		for (int i = 0; i < 2; i++) {
			if (skip >= piece[i].iov_len) {
				skip -= piece[i].iov_len;
				continue;
			}
			iov[n++] = (struct iovec){ (char *)piece[i].iov_base + skip,
						   piece[i].iov_len - skip };
			skip = 0;
		}
	}
	for (int i = 0; i < n; i++)
		*total += iov[i].iov_len;
	return n;
}

static void account(struct nbd_conn *c, size_t sent)
{
	if (c->out_len) {
		size_t left = c->out_len - c->out_at, n = sent < left ? sent : left;

		c->out_at += (uint32_t)n;
		sent -= n;
		if (c->out_at == c->out_len)
			c->out_at = c->out_len = 0;
	}
	sent += c->reply_sent;
	while (c->reply_head) {
		struct nbd_reply *r = c->reply_head;
		size_t bytes = (size_t)r->head_len + r->data_len;

		if (sent < bytes)
			break;
		sent -= bytes;
		c->reply_head = r->next;
		if (!c->reply_head)
			c->reply_tail = &c->reply_head;
		if (r->cmd->tells)
			nbd_losses_reported(c, r->cmd->losses);
		nbd_reply_free(r);
	}
	c->reply_sent = (uint32_t)sent;
	c->server->retry |= c->throttled;
}

void nbd_conn_send(struct nbd_conn *c)
{
	struct iovec iov[IOVECS];
	size_t total;

	while (!c->blocked && c->state != NBD_DEAD && c->state != NBD_FREE) {
		int n = gather(c, iov, &total);

		if (!n)
			break;
		ssize_t sent = c->transport->send(c, iov, n);
		if (sent < 0 && sent != -EAGAIN) {
			nbd_conn_broke(c);
			return;
		}
		if (sent > 0)
			account(c, (size_t)sent);
		if (sent > 0)
			c->took = c->server->now;
		if (sent > 0 && c->state == NBD_CLOSING)
			c->until = c->server->now + NBD_LINGER_NS;
		c->blocked = sent < 0 || (size_t)sent < total;
	}
	nbd_conn_settle(c);
	nbd_conn_watch(c);
}
