/* SPDX-License-Identifier: MIT */
/*
 * pool.c - commands and their parts: where they come from, and what of the arena they may have.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Budget: half of the arena is shared out evenly, so that every client can always go
 *         on, whatever the others hold; the other half is common, of which one client
 *         takes at most half. A client that never reads its replies keeps what it has
 *         and gets no more.
 * Table:  of the 256 requests that the driver may have at a time one client has at most three
 *         times as many as are left for others: alone 192, two 109 each. So whoever comes with
 *         one request finds a place, and need not wait until one of another's, a discard of
 *         seconds perhaps, is answered.
 * Waits:  what overlaps an older write waits, and so does what finds the table full. There is
 *         room for RF_DEFERRED_MAX of the first, and the second go in turn: a client that has one
 *         of either adds another only while there are few in all. So there is always room for
 *         one of each client, and nobody stands behind all that another could ask for.
 */
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "nbd.h"

int nbd_pools_open(struct nbd_server *srv)
{
	uint64_t arena = rf_blk_config(srv->service)->arena_bytes;
	struct nbd_cmd *cmds = calloc(NBD_SLOTS * NBD_COMMANDS, sizeof(*cmds));
	struct nbd_part *parts = calloc(NBD_SLOTS * NBD_PARTS, sizeof(*parts));

	if (!cmds || !parts)
		return -ENOMEM;
	for (uint32_t i = NBD_SLOTS * NBD_COMMANDS; i-- > 0;) {
		cmds[i].next = srv->free_cmds;
		srv->free_cmds = &cmds[i];
	}
	for (uint32_t i = NBD_SLOTS * NBD_PARTS; i-- > 0;) {
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
	rf_blk_reports_losses(srv->service);
	nbd_limits_open(srv);
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

/* What may wait at most: these, one request of each connection, and the reads of edges. */
_Static_assert(NBD_WAITING + NBD_SLOTS + NBD_EDGES <= RF_DEFERRED_MAX, "they never stop the queue");

/* One that has nothing under way may always add something: it would wait in its turn. */
static bool has_its_share(const struct nbd_conn *c)
{
	return c->asked && c->asked >= 3 * (RF_BLK_DEPTH - rf_blk_inflight(c->server->service));
}

bool nbd_conn_crowds(struct nbd_conn *c)
{
	bool crowds = c->waits.own && c->server->waiting >= NBD_WAITING;
	bool share = has_its_share(c);

	c->server->crowded |= crowds;
	c->server->full |= share;
	return crowds || share;
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
	part->io.waits = &c->waits;
	part->io.queue = (uint16_t)c->id; /* a connection keeps to one queue of the device */
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
