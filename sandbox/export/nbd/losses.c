/* SPDX-License-Identifier: MIT */
/*
 * losses.c - each client is told of a lost write cache, by its next flush, once.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Who:    every connection there is, for a client may write on one and flush on another; and
 *         of those that went away, whose writes were lost or who were not told yet, whoever
 *         comes in their place (cache.c counts them).
 * Told:   once the answer was sent and cannot die with this process (over its own TCP: once that
 *         was acknowledged), unless its connection then ends with an error: a socket
 *         says so if the other side closed it with answers unread (TCP by a reset), and a
 *         network that is gone tells nothing else. Nor is one told that sends no more: its
 *         connection ends with that answer, and nobody sees whether it was read.
 * Cut:    a change of several parts may have lost those that were done when the loss came, and
 *         be answered after its client was told: then that client is told once more.
 */
#include <errno.h>

#include "nbd.h"

#define READ_NS 600000000000ull /* a client that stays connected so long has read it */

static struct rf_blk *service_of(const struct nbd_conn *c)
{
	return c->server->service;
}

/* The losses that a client must learn of, as a number that changes with every loss. */
static uint32_t news(const struct nbd_conn *c)
{
	return rf_blk_losses(service_of(c)) + c->cut_losses;
}

void nbd_losses_join(struct nbd_conn *c)
{
	c->cut_losses = 0;
	c->losses = rf_blk_losses_reported(service_of(c));
	c->joined = news(c);
}

/* A client that came while it was unknown who had missed a loss was not counted as back: for it
 * only losses since then count. */
void nbd_losses_leave(struct nbd_conn *c)
{
	bool recent = c->told_at && c->server->now - c->told_at < READ_NS;
	bool unread = c->on_its_way || (c->broke && recent);

	if (unread && c->told_unknown)
		rf_blk_loss_report_lost(service_of(c));
	else if (unread ||
		 (c->losses != news(c) && (c->losses != RF_LOSSES_UNKNOWN || c->joined != news(c))))
		rf_blk_loss_unreported(service_of(c));
	rf_blk_left(service_of(c), c->newest);
}

/* A write with FUA fails if the loss came between it and the flush that stands for FUA. */
void nbd_losses_mind(struct nbd_cmd *cmd)
{
	struct nbd_conn *c = cmd->conn;
	bool lost = cmd->losses != rf_blk_losses(service_of(c));
	bool change = cmd->op != RF_BLK_READ && cmd->op != RF_BLK_FLUSH;

	if (cmd->flushed && lost && !cmd->error)
		cmd->error = -EIO;
	bool cached = change && !(cmd->io_flags & RF_BLK_FUA || cmd->flushed);
	if (cached)
		c->newest = rf_blk_acked(service_of(c));
	if (cached && lost && cmd->cut && !cmd->error) {
		rf_blk_loss_to_report(service_of(c));
		c->cut_losses++;
	}
	cmd->tells = cmd->op == RF_BLK_FLUSH && c->losses != news(c);
	if (cmd->tells && !cmd->error)
		cmd->error = -EIO;
	cmd->losses = news(c);
}

/* Nobody that is here is owed anything: what may die with this process is owed to who comes. */
static void are_all_told(struct nbd_server *srv)
{
	for (uint32_t i = 0; i < NBD_SLOTS; i++) {
		const struct nbd_conn *c = &srv->conns[i];

		if (c->state >= NBD_REQUEST && c->state != NBD_DEAD &&
		    (c->losses != news(c) || c->on_its_way))
			return;
	}
	rf_blk_losses_all_reported(srv->service);
}

void nbd_losses_arrived(struct nbd_conn *c)
{
	if (!c->on_its_way || !c->transport->arrived(c, c->place))
		return;
	c->on_its_way = false;
	are_all_told(c->server);
}

void nbd_losses_reported(struct nbd_conn *c, uint32_t losses)
{
	struct nbd_server *srv = c->server;

	if (c->state == NBD_CLOSING)
		return;
	c->told_at = srv->now;
	c->told_unknown = c->losses == RF_LOSSES_UNKNOWN;
	if (c->losses == RF_LOSSES_UNKNOWN)
		rf_blk_loss_reported(srv->service);
	c->losses = losses;
	c->on_its_way = c->transport->sent != NULL;
	c->place = c->on_its_way ? c->transport->sent(c) : 0;
	are_all_told(srv);
}
