/* SPDX-License-Identifier: MIT */
/*
 * server.c - one turn of the server, and its housekeeping.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <stdatomic.h>

#include "log.h"
#include "nbd.h"
#include "stats.h"

void nbd_server_info(struct nbd_server *srv)
{
	srv->info = rf_blk_info(srv->service);
	if (!srv->info)
		return;
	srv->whole.size = srv->info->size;
	nbd_edges_open(srv);
}

static void retry_throttled(struct nbd_server *srv)
{
	srv->retry = false;
	for (uint32_t i = 0; i < NBD_SLOTS; i++)
		if (srv->conns[i].throttled && srv->conns[i].state < NBD_CLOSING &&
		    srv->conns[i].state != NBD_FREE)
			nbd_conn_input(&srv->conns[i]);
}

static void send_output(struct nbd_server *srv)
{
	while (srv->output_list) {
		struct nbd_conn *c = srv->output_list;

		srv->output_list = c->output_next;
		c->has_output = false;
		nbd_conn_send(c);
	}
}

/* Those whose turn has come. One with another command waits again, behind all others. */
static void begin_limited(struct nbd_server *srv)
{
	struct nbd_conn *c;

	while ((c = nbd_limits_next(srv)))
		nbd_conn_input(c);
}

/* Number of completions. */
int nbd_server_work(struct nbd_server *srv)
{
	int done = rf_blk_poll(srv->service);

	if (!srv->info) /* its checksums may have been read just now */
		nbd_server_info(srv);
	if (srv->crowded && (done || srv->waiting < NBD_WAITING)) {
		srv->crowded = false;
		srv->retry = true;
	}
	if (srv->full && (done || !rf_blk_inflight(srv->service))) {
		srv->full = false;
		srv->retry = true;
	}
	do {
		send_output(srv);
		if (srv->retry)
			retry_throttled(srv);
		begin_limited(srv);
	} while (srv->output_list);
	rf_blk_push(srv->service);
	return done;
}

/* Why a connection is cut after *until; NULL: nothing is expected of it. */
static const char *server_owes(const struct nbd_conn *c, uint64_t *until)
{
	*until = c->until;
	if (c->state == NBD_CLOSING)
		return c->blocked ? "has ended and does not take its last answers" : NULL;
	if (c->state == NBD_FREE || c->state == NBD_DEAD)
		return NULL;
	if (c->state < NBD_REQUEST)
		return "does not get on with the negotiation";
	*until = (c->blocked ? c->took : c->gave) + NBD_STILL_NS;
	if (c->blocked)
		return "takes none of its answers";
	return !c->throttled && (c->state == NBD_PAYLOAD || c->state == NBD_DRAIN) ?
		       "stops within a write" :
		       NULL;
}

bool nbd_server_hurries(struct nbd_server *srv, bool cut_off)
{
	bool any = false;
	uint64_t until;

	for (uint32_t i = 0; i < NBD_SLOTS; i++) {
		const char *why = server_owes(&srv->conns[i], &until);

		any |= why != NULL;
		if (!why || !cut_off || srv->now <= until)
			continue;
		srv->cut++;
		nbd_conn_close(&srv->conns[i], "%s: cut off", why);
	}
	return any;
}

void nbd_server_tick(struct nbd_server *srv)
{
	rf_blk_tick(srv->service);
	nbd_server_hurries(srv, true);
	rf_log_catch_up();
	atomic_store_explicit(&rf_blk_stats(srv->service)->client_errors, srv->errors,
			      memory_order_relaxed);
	atomic_store_explicit(&rf_blk_stats(srv->service)->clients_cut, srv->cut,
			      memory_order_relaxed);
}
