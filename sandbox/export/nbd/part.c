/* SPDX-License-Identifier: MIT */
/*
 * part.c - a command's parts go to the block service, and their answers make its reply.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include "nbd.h"

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
		cmd->flush_io = (struct rf_io){ .op = RF_BLK_FLUSH,
						.queue = (uint16_t)cmd->conn->id,
						.done = part_flush_done,
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
		nbd_cmd_run(cmd);
	if (cmd->op != RF_BLK_READ)
		nbd_losses_mind(cmd);
	if (cmd->conn->state != NBD_DEAD)
		nbd_reply_done(cmd);
}

static void part_done(struct rf_io *io, int status)
{
	struct nbd_part *part = (struct nbd_part *)io; /* its first member */
	struct nbd_cmd *cmd = part->cmd;

	cmd->conn->asked--;
	cmd->pending--;
	cmd->cut |= cmd->pending || cmd->started != cmd->length;
	if (!cmd->begun) /* no loss before now took any of it */
		cmd->losses = rf_blk_losses(cmd->conn->server->service);
	cmd->begun = true;
	part->done = true;
	if (status && !cmd->error)
		cmd->error = status;
	if (cmd->streams || (cmd->one_piece && cmd->conn->state == NBD_DEAD))
		nbd_cmd_run(cmd);
	else if (cmd->one_piece)
		; /* nbd_cmd_check() sends all of it, or nothing */
	else if (cmd->op != RF_BLK_READ || status || cmd->conn->state == NBD_DEAD)
		nbd_part_free(part);
	else
		nbd_reply_data(part, !cmd->error && !cmd->pending && cmd->started == cmd->length);
	nbd_cmd_check(cmd);
	nbd_cmd_put(cmd);
}
_Static_assert(offsetof(struct nbd_part, io) == 0, "part_done() relies on it");

void nbd_part_submit(struct nbd_part *part)
{
	struct nbd_cmd *cmd = part->cmd;

	part->io.done = part_done;
	cmd->conn->asked++;
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
