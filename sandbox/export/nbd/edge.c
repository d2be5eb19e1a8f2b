/* SPDX-License-Identifier: MIT */
/*
 * edge.c - writes that begin or end within a block of the disk: the rest of the block is read
 * first.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Order:  from that read on until the whole blocks are given to the service as a write,
 *         what overlaps them waits here, on whatever connection it was asked for; from then
 *         on it waits there (order.h). The read itself waits there for older writes. So a
 *         write of part of a block takes place as a whole, in its turn.
 * Arena:  the blocks read have some of their own, which clients cannot use up.
 * Cost:   a comparison for others while there is no such write.
 */
#include <string.h>

#include "nbd.h"

#define LOOKED_AT 64u /* waiting writes that are looked at; those behind them wait too */

void nbd_edges_open(struct nbd_server *srv)
{
	uint32_t block = srv->info->block_size, page = block < 4096 ? 4096 : block;

	if (srv->edges)
		return;
	srv->block_mask = block - 1;
	srv->behind_tail = &srv->behind;
	while (srv->edges < NBD_EDGES && (!srv->edges || srv->common > 32ull * page) &&
	       !rf_blk_alloc(srv->service, 2 * page, &srv->edge[srv->edges].arena)) {
		srv->common -= 2 * page;
		srv->edges++;
	}
	srv->edges_free = srv->edges;
}

static bool edge_changes(const struct nbd_part *part)
{
	return part->io.op != RF_BLK_READ;
}

/* Must the later request wait for the older one? Nothing waits for a read. */
static bool edge_conflict(const struct nbd_part *older, const struct nbd_part *part)
{
	return edge_changes(older) && older->io.offset < part->io.offset + part->io.length &&
	       part->io.offset < older->io.offset + older->io.length;
}

/* Must this request wait? Of the waiting ones only those before `end` are older. */
static bool edge_must_wait(const struct nbd_server *srv, const struct nbd_part *part,
		      const struct nbd_part *end)
{
	uint32_t looked = 0;

	if (nbd_edge_is(part) && !srv->edges_free)
		return true;
	for (uint32_t i = 0; i < srv->edges; i++)
		if (srv->edge[i].part && edge_conflict(srv->edge[i].part, part))
			return true;
	for (const struct nbd_part *p = srv->behind; p != end; p = p->behind)
		if (edge_conflict(p, part) || ++looked == LOOKED_AT)
			return true;
	return false;
}

static void edge_read_done(struct nbd_edge *edge, int status);

static void edge_first_done(struct rf_io *io, int status)
{
	edge_read_done((struct nbd_edge *)((char *)io - offsetof(struct nbd_edge, io[0])), status);
}

static void edge_last_done(struct rf_io *io, int status)
{
	edge_read_done((struct nbd_edge *)((char *)io - offsetof(struct nbd_edge, io[1])), status);
}

static void edge_read_block(struct nbd_server *srv, struct nbd_edge *edge, int which,
			    uint64_t offset)
{
	struct rf_io *io = &edge->io[which];
	uint32_t block = srv->info->block_size, page = block < 4096 ? 4096 : block;

	*io = (struct rf_io){ .op = RF_BLK_READ, .length = block, .offset = offset,
			      .arena = edge->arena + (which ? page : 0),
			      .done = which ? edge_last_done : edge_first_done,
			      .queue = edge->part->io.queue,
			      .waits = edge->part->io.waits };
	edge->pending++;
	int err = rf_blk_submit(srv->service, io);
	if (err)
		io->done(io, err);
}

void nbd_part_send(struct nbd_part *part)
{
	int err = rf_blk_submit(part->cmd->conn->server->service, &part->io);

	if (err)
		part->io.done(&part->io, err);
}

static void edge_begin(struct nbd_server *srv, struct nbd_part *part)
{
	const struct rf_io *io = &part->io;
	uint32_t block = srv->info->block_size, end = part->skip + part->payload;
	struct nbd_edge *edge = srv->edge;

	if (!nbd_edge_is(part)) {
		nbd_part_send(part);
		return;
	}
	while (edge->part)
		edge++;
	srv->edges_free--;
	edge->part = part;
	edge->error = 0;
	edge->pending = 1; /* held at 1 until both reads are sent */
	bool one = io->length == block;
	if (part->skip || one)
		edge_read_block(srv, edge, 0, io->offset);
	if (end < io->length && !one)
		edge_read_block(srv, edge, 1, io->offset + io->length - block);
	edge_read_done(edge, 0);
}

/* Sends what need not wait any more, oldest first. What is looked at in vain waits for a request
 * that is under way, or for an older one in this list. */
static void edge_wake_some(struct nbd_server *srv)
{
	struct nbd_part **at = &srv->behind;
	uint32_t looked = 0;

	while (*at && looked < LOOKED_AT) {
		struct nbd_part *part = *at;

		if (edge_must_wait(srv, part, part)) {
			at = &part->behind;
			looked++;
			continue;
		}
		*at = part->behind;
		if (!*at)
			srv->behind_tail = at;
		rf_io_goes_on(&part->io);
		edge_begin(srv, part);
	}
}

/* An edge that fails at once ends within the loop above, which then runs again. */
static void edges_wake(struct nbd_server *srv)
{
	srv->wake_again = true;
	if (srv->waking)
		return;
	srv->waking = true;
	while (srv->wake_again) {
		srv->wake_again = false;
		edge_wake_some(srv);
	}
	srv->waking = false;
}

/* Puts the whole blocks together: what was read, around what the client sent. */
static void edge_merge(struct nbd_server *srv, const struct nbd_edge *edge)
{
	const struct nbd_part *part = edge->part;
	const char *first = rf_blk_at(srv->service, edge->arena), *last = first;
	uint32_t length = part->io.length, block = srv->info->block_size,
		 end = part->skip + part->payload;
	char *to = rf_blk_at(srv->service, part->io.arena);

	if (length > block)
		last = rf_blk_at(srv->service, edge->arena + (block < 4096 ? 4096 : block));
	memcpy(to, first, part->skip);
	memcpy(to + end, last + block - (length - end), length - end);
}

static void edge_read_done(struct nbd_edge *edge, int status)
{
	struct nbd_part *part = edge->part;
	struct nbd_server *srv = part->cmd->conn->server;

	if (status && !edge->error)
		edge->error = status;
	if (--edge->pending)
		return;
	if (!edge->error)
		edge_merge(srv, edge);
	int err = edge->error ? edge->error : rf_blk_submit(srv->service, &part->io);
	edge->part = NULL;
	srv->edges_free++;
	if (err)
		part->io.done(&part->io, err);
	edges_wake(srv);
}

void nbd_edge_submit(struct nbd_part *part)
{
	struct nbd_server *srv = part->cmd->conn->server;

	if (!edge_must_wait(srv, part, NULL)) {
		edge_begin(srv, part);
		return;
	}
	rf_io_waits(&part->io);
	part->behind = NULL;
	*srv->behind_tail = part;
	srv->behind_tail = &part->behind;
}
