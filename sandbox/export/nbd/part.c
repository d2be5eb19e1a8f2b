/* SPDX-License-Identifier: MIT */
/*
 * part.c - commands and their parts: pools, arena budget, completion.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Budget: half of the arena is shared out evenly, so that every client can always go
 *         on, whatever the others hold; the other half is common, of which one client
 *         takes at most half. A client that never reads its replies keeps what it has
 *         and gets no more.
 * Waits:  what overlaps an older write waits, and so does what finds the table full. There is
 *         room for RF_HELD_MAX of the first, and the second go in turn: a client that has one of
 *         either adds another only while there are few in all. So there is always room for
 *         one of each client, and nobody stands behind all that another could ask for.
 */
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "nbd.h"

int nbd_pools_open(struct nbd_server *srv)
{
	uint64_t arena = rf_blk_config(srv->service)->arena_bytes;
	struct nbd_cmd *cmds = calloc(NBD_SEATS * NBD_COMMANDS, sizeof(*cmds));
	struct nbd_part *parts = calloc(NBD_SEATS * NBD_PARTS, sizeof(*parts));

	if (!cmds || !parts)
		return -ENOMEM;
	for (uint32_t i = NBD_SEATS * NBD_COMMANDS; i-- > 0;) {
		cmds[i].next = srv->free_cmds;
		srv->free_cmds = &cmds[i];
	}
	for (uint32_t i = NBD_SEATS * NBD_PARTS; i-- > 0;) {
		parts[i].next = srv->free_parts;
		srv->free_parts = &parts[i];
	}
	srv->own_share = arena / 2 / NBD_CLIENTS;
	srv->common = arena / 2;
	if (srv->own_share < 4096) {
		rf_log("an arena of %llu bytes is too small for %u clients",
		       (unsigned long long)arena, NBD_CLIENTS);
		return -EINVAL;
	}
	rf_blk_tells(srv->service);
	return 0;
}

struct nbd_cmd *nbd_cmd_new(struct nbd_conn *c)
{
	struct nbd_cmd *cmd = c->server->free_cmds;

	if (c->commands == NBD_COMMANDS)
		return NULL;
	RF_BUG_ON(!cmd);
	c->server->free_cmds = cmd->next;
	c->commands++;
	*cmd = (struct nbd_cmd){ .conn = c, .refs = 1, .tail = &cmd->head,
				 .losses = rf_blk_losses(c->server->service) };
	return cmd;
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

/* What may wait at most: these, one request of each connection, and the reads of edges. */
_Static_assert(NBD_WAITING + NBD_SEATS + NBD_EDGES <= RF_HELD_MAX, "they never stop the queue");

bool nbd_conn_crowds(struct nbd_conn *c)
{
	bool crowds = c->waits.own && c->server->waiting >= NBD_WAITING;

	c->server->crowded |= crowds;
	return crowds;
}

static uint64_t beyond_share(const struct nbd_server *srv, uint64_t bytes)
{
	return bytes > srv->own_share ? bytes - srv->own_share : 0;
}

static bool affordable(const struct nbd_conn *c, uint64_t bytes)
{
	const struct nbd_server *srv = c->server;
	uint64_t now = beyond_share(srv, c->bytes), then = beyond_share(srv, c->bytes + bytes);

	return then <= srv->common / 2 && srv->common_used + then - now <= srv->common;
}

static void charge(struct nbd_conn *c, uint64_t bytes)
{
	struct nbd_server *srv = c->server;

	srv->common_used -= beyond_share(srv, c->bytes);
	c->bytes += bytes;
	srv->common_used += beyond_share(srv, c->bytes);
}

struct nbd_part *nbd_part_plain(struct nbd_cmd *cmd, uint32_t want)
{
	struct nbd_conn *c = cmd->conn;
	struct nbd_part *part = c->server->free_parts;

	if (c->parts == NBD_PARTS)
		return NULL;
	RF_BUG_ON(!part);
	c->server->free_parts = part->next;
	c->parts++;
	*part = (struct nbd_part){ .cmd = cmd };
	part->io.done = nbd_part_done;
	part->io.waits = &c->waits;
	part->io.op = cmd->op;
	part->io.flags = cmd->io_flags;
	part->io.offset = c->export->first + cmd->offset + cmd->started;
	part->io.length = part->payload = want;
	return part;
}

/* Sets the part's io to whole blocks, which is all the service knows; returns where the client's
 * bytes lie in them. */
static uint32_t whole_blocks(struct nbd_part *part, uint32_t mask)
{
	part->skip = (uint32_t)part->io.offset & mask;
	part->io.offset -= part->skip;
	return (part->skip + part->payload + mask) & ~mask;
}

struct nbd_part *nbd_part_new(struct nbd_cmd *cmd, uint32_t want)
{
	struct nbd_conn *c = cmd->conn;
	struct nbd_part *part = nbd_part_plain(cmd, want);
	uint32_t mask = c->server->block_mask, span = want;

	if (!part)
		return NULL;
	if (((uint32_t)part->io.offset | want) & mask)
		span = whole_blocks(part, mask);
	for (;;) {
		uint32_t bytes = rf_arena_size(span);

		if (affordable(c, bytes) &&
		    !rf_blk_alloc(c->server->service, bytes, &part->io.arena)) {
			charge(c, bytes);
			part->bytes = bytes;
			part->io.length = span;
			return part;
		}
		/* A small piece is taken only if the client holds nothing: else it waits for
		 * what it holds to come back. */
		span = bytes / 2;
		if (c->bytes || span < 4096 || span <= mask)
			break;
		part->payload = span - part->skip;
	}
	nbd_part_free(part);
	return NULL;
}

void nbd_part_free(struct nbd_part *part)
{
	struct nbd_conn *c = part->cmd->conn;

	if (part->bytes) {
		rf_blk_free(c->server->service, part->io.arena, part->bytes);
		charge(c, -(uint64_t)part->bytes);
		c->server->retry = true;
	}
	part->next = c->server->free_parts;
	c->server->free_parts = part;
	c->parts--;
}

void nbd_part_submit(struct nbd_part *part)
{
	struct nbd_cmd *cmd = part->cmd;

	cmd->pending++;
	cmd->refs++;
	if (cmd->one_piece) {
		*cmd->tail = part;
		cmd->tail = &part->next;
	}
	if (cmd->conn->server->edges != cmd->conn->server->edges_free || nbd_edge_is(part))
		nbd_edge_submit(part);
	else
		nbd_part_send(part);
}

void nbd_part_send(struct nbd_part *part)
{
	int err = rf_blk_submit(part->cmd->conn->server->service, &part->io);

	if (err)
		nbd_part_done(&part->io, err);
}

/* Queues the answered parts up to the first that is not answered; after an error it frees them. */
static void run_in_order(struct nbd_cmd *cmd)
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
	run_in_order(cmd);
}

void nbd_cmd_abandon(struct nbd_cmd *cmd)
{
	run_in_order(cmd);
	nbd_cmd_put(cmd);
}

void nbd_part_done(struct rf_io *io, int status)
{
	struct nbd_part *part = (struct nbd_part *)io; /* its first member */
	struct nbd_cmd *cmd = part->cmd;

	cmd->pending--;
	cmd->cut |= cmd->pending || cmd->started != cmd->length;
	if (!cmd->begun) /* no loss before now took any of it */
		cmd->losses = rf_blk_losses(cmd->conn->server->service);
	cmd->begun = true;
	part->done = true;
	if (status && !cmd->error)
		cmd->error = status;
	if (cmd->streams || (cmd->one_piece && cmd->conn->state == NBD_DEAD))
		run_in_order(cmd);
	else if (cmd->one_piece)
		; /* nbd_cmd_check() sends all of it, or nothing */
	else if (cmd->op != RF_BLK_READ || status || cmd->conn->state == NBD_DEAD)
		nbd_part_free(part);
	else
		nbd_reply_data(part, !cmd->error && !cmd->pending && cmd->started == cmd->length);
	nbd_cmd_check(cmd);
	nbd_cmd_put(cmd);
}
_Static_assert(offsetof(struct nbd_part, io) == 0, "nbd_part_done() relies on it");

static void part_flush_done(struct rf_io *io, int status)
{
	struct nbd_cmd *cmd = (struct nbd_cmd *)((char *)io - offsetof(struct nbd_cmd, flush_io));

	cmd->pending--;
	cmd->error = status;
	nbd_cmd_check(cmd);
	nbd_cmd_put(cmd);
}

/* Once all parts are answered: sends the flush that FUA asked for, then the reply. */
void nbd_cmd_check(struct nbd_cmd *cmd)
{
	struct rf_blk *service = cmd->conn->server->service;

	if (cmd->finished || cmd->pending || cmd->started != cmd->length)
		return;
	if (cmd->flush_after && !cmd->error) {
		cmd->flush_after = false;
		cmd->flushed = true;
		cmd->flush_io = (struct rf_io){ .op = RF_BLK_FLUSH, .done = part_flush_done,
						.waits = &cmd->conn->waits };
		cmd->pending++;
		cmd->refs++;
		int err = rf_blk_submit(service, &cmd->flush_io);
		if (err)
			part_flush_done(&cmd->flush_io, err);
		return;
	}
	cmd->finished = true;
	if (cmd->head)
		run_in_order(cmd);
	if (cmd->op != RF_BLK_READ)
		nbd_losses_mind(cmd);
	if (cmd->conn->state != NBD_DEAD)
		nbd_reply_done(cmd);
}
