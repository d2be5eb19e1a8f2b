/* SPDX-License-Identifier: MIT */
/*
 * losses.c - each client is told of a lost write cache, by its next flush, once.
 *
 * Room:   sandbox/service/nbd, trusted.
 * Who:    every connection there is, for a client may write on one and flush on another; and
 *         of those that went away, whose writes were lost or who were not told yet, whoever
 *         comes in their place (cache.c counts them).
 * Told:   once the answer was sent.
 */
#include <errno.h>

#include "nbd.h"

static struct rf_service *service_of(const struct nbd_conn *c)
{
	return c->server->service;
}

void nbd_losses_join(struct nbd_conn *c)
{
	c->losses = rf_service_losses_told(service_of(c));
	c->joined = rf_service_losses(service_of(c));
}

/* One that came when nobody could know was not counted as back; only news since then count. */
void nbd_losses_leave(struct nbd_conn *c)
{
	uint32_t losses = rf_service_losses(service_of(c));

	if (c->losses != losses && (c->losses != RF_LOSSES_UNKNOWN || c->joined != losses))
		rf_service_owe(service_of(c));
	rf_service_left(service_of(c), c->newest);
}

/* A write with FUA fails if the loss came between it and the flush that stands for FUA. */
void nbd_losses_mind(struct nbd_cmd *cmd)
{
	struct nbd_conn *c = cmd->conn;
	uint32_t losses = rf_service_losses(service_of(c));
	bool news = cmd->op == RF_BLK_FLUSH && c->losses != losses;

	if ((news || (cmd->flushed && cmd->losses != losses)) && !cmd->error)
		cmd->error = -EIO;
	if (cmd->op != RF_BLK_READ && cmd->op != RF_BLK_FLUSH)
		c->newest = rf_service_acked(service_of(c));
	cmd->tells = news;
	cmd->losses = losses;
}

void nbd_losses_told(struct nbd_conn *c, uint32_t losses)
{
	struct nbd_server *srv = c->server;

	if (c->losses == RF_LOSSES_UNKNOWN)
		rf_service_paid(srv->service);
	c->losses = losses;
	for (uint32_t i = 0; i < NBD_CLIENTS; i++)
		if (srv->conns[i].state >= NBD_REQUEST && srv->conns[i].state != NBD_DEAD &&
		    srv->conns[i].losses != rf_service_losses(srv->service))
			return;
	rf_service_told(srv->service);
}
