/* SPDX-License-Identifier: MIT */
/*
 * close.c - how replies, commands and connections end. Each keeps those behind it alive: a reply
 *         its command, a command its connection.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "log.h"
#include "nbd.h"
#include "stats.h"

void nbd_clients_count(struct nbd_server *srv, int by)
{
	srv->clients += (uint32_t)by;
	atomic_store_explicit(&rf_blk_stats(srv->service)->clients, srv->clients,
			      memory_order_relaxed);
}

void nbd_cmd_put(struct nbd_cmd *cmd)
{
	struct nbd_conn *c = cmd->conn;

	RF_BUG_ON(!cmd->refs);
	if (--cmd->refs)
		return;
	cmd->next = c->server->free_cmds;
	c->server->free_cmds = cmd;
	c->server->retry = true;
	c->commands--;
	nbd_conn_settle(c);
}

void nbd_reply_free(struct nbd_reply *r)
{
	struct nbd_cmd *cmd = r->cmd;

	if (r->has_part)
		nbd_part_free((struct nbd_part *)((char *)r - offsetof(struct nbd_part, reply)));
	nbd_cmd_put(cmd);
}

void nbd_replies_drop(struct nbd_conn *c)
{
	while (c->reply_head) {
		struct nbd_reply *r = c->reply_head;

		c->reply_head = r->next;
		nbd_reply_free(r);
	}
	c->reply_tail = &c->reply_head;
	c->reply_sent = 0;
	c->out_at = c->out_len = 0;
}

/* Queues the answered parts up to the first that is not answered; after an error it frees them. */
void nbd_cmd_run(struct nbd_cmd *cmd)
{
	struct nbd_conn *c = cmd->conn;

	while (cmd->head && cmd->head->done) {
		struct nbd_part *part = cmd->head;

		cmd->head = part->next;
		if (!cmd->head)
			cmd->tail = &cmd->head;
		if (c->state != NBD_DEAD && !cmd->error) {
			nbd_reply_data(part, false);
			continue;
		}
		if (c->state != NBD_DEAD && cmd->header_sent)
			nbd_conn_close(c, "is cut off: a read of %u bytes at %llu failed when "
				       "part of it was sent", cmd->length,
				       (unsigned long long)cmd->offset);
		nbd_part_free(part);
	}
	if (cmd->streams && !cmd->head)
		c->server->retry = true;
}

void nbd_cmd_stream(struct nbd_cmd *cmd)
{
	cmd->streams = true;
	nbd_cmd_run(cmd);
}

void nbd_cmd_abandon(struct nbd_cmd *cmd)
{
	nbd_cmd_run(cmd);
	nbd_cmd_put(cmd);
}

void nbd_conn_close(struct nbd_conn *c, const char *why, ...)
{
	RF_BUG_ON(c->state == NBD_FREE || c->state == NBD_DEAD);
	if (why) {
		char text[200];
		va_list args;

		va_start(args, why);
		vsnprintf(text, sizeof(text), why, args);
		va_end(args);
		rf_log_peer("client %llu %s (%s)", (unsigned long long)c->id, text, c->peer);
	}
	nbd_limit_leave(c);
	c->transport->close(c);
	if (c->state >= NBD_REQUEST)
		nbd_losses_leave(c);
	c->state = NBD_DEAD;
	c->server->admitted -= c->admitted;
	c->admitted = false;
	c->server->dead++;
	if (c->part)
		nbd_part_free(c->part);
	c->part = NULL;
	struct nbd_cmd *cmd = c->cmd;
	c->cmd = NULL;
	c->commands++; /* keeps the connection until the end of this function */
	if (cmd)
		nbd_cmd_abandon(cmd);
	nbd_replies_drop(c);
	c->commands--;
	nbd_conn_settle(c);
}

void nbd_conn_settle(struct nbd_conn *c)
{
	if (c->commands)
		return;
	if (c->state == NBD_CLOSING && !c->reply_head && !c->out_len) {
		nbd_conn_close(c, NULL);
	} else if (c->state == NBD_DEAD) {
		RF_BUG_ON(c->parts || c->bytes);
		c->state = NBD_FREE;
		c->server->retry = true;
		c->server->dead--;
		nbd_clients_count(c->server, -1);
	}
}

void nbd_conn_ended(struct nbd_conn *c)
{
	bool idle = c->state < NBD_REQUEST || c->state == NBD_CLOSING ||
		    (c->state == NBD_REQUEST && !c->in_len);

	if (idle && !c->commands)
		nbd_conn_close(c, NULL);
	else
		nbd_conn_close(c, "vanished in mid-request, %u unanswered", c->commands);
}

void nbd_conn_broke(struct nbd_conn *c)
{
	c->broke = true;
	nbd_conn_ended(c);
}

void nbd_conn_finish(struct nbd_conn *c)
{
	if (c->state < NBD_REQUEST) /* it has written nothing that a cache loss could take */
		c->losses = rf_blk_losses(c->server->service) + c->cut_losses;
	c->state = NBD_CLOSING;
	c->until = c->server->now + NBD_LINGER_NS;
}
