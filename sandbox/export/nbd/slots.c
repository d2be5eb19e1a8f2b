/* SPDX-License-Identifier: MIT */
/*
 * slots.c - who may be served, and who negotiates meanwhile.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Share:  of the connections served a peer (a user of this host, or an address) has at most
 *         three times as many as are left for others: alone 24 of 32. One more is told so. An
 *         idle connection keeps its place, for a disk may be idle for days.
 * Slots:  there are more than that, so that whoever comes can be told. When all are taken,
 *         one that is not served makes room: the oldest of the peer with most of them. So
 *         clients that never finish their negotiation keep nobody out. One that ended while
 *         requests were under way is not served any more, and leaves when they are done.
 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "nbd.h"

static uint32_t slots_of(const struct nbd_server *srv, const char *peer, bool admitted)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < NBD_SLOTS; i++)
		n += srv->conns[i].state != NBD_FREE && srv->conns[i].admitted == admitted &&
		     !strcmp(srv->conns[i].peer, peer);
	return n;
}

static struct nbd_conn *slot_unused(struct nbd_server *srv)
{
	for (uint32_t i = 0; i < NBD_SLOTS; i++)
		if (srv->conns[i].state == NBD_FREE)
			return &srv->conns[i];
	return NULL;
}

bool nbd_slot_possible(const struct nbd_server *srv)
{
	return srv->admitted + srv->dead < NBD_SLOTS;
}

static void slot_make_free(struct nbd_server *srv)
{
	struct nbd_conn *victim = NULL;
	uint32_t most = 0;

	for (uint32_t i = 0; i < NBD_SLOTS; i++) {
		struct nbd_conn *c = &srv->conns[i];
		uint32_t has =
			c->admitted || c->state == NBD_DEAD ? 0 : slots_of(srv, c->peer, false);

		if (has > most || (has && has == most && c->id < victim->id))
			victim = c;
		most = has > most ? has : most;
	}
	RF_BUG_ON(!victim);
	nbd_conn_close(victim, "has not finished its negotiation and makes room for others");
}

struct nbd_conn *nbd_conn_slot(struct nbd_server *srv, const char *peer)
{
	struct nbd_conn *c = slot_unused(srv);

	if (!c) {
		slot_make_free(srv);
		c = slot_unused(srv);
	}
	/* the last connection of this slot may have left it on the list */
	bool has_output = c->has_output;
	struct nbd_conn *next = c->output_next;

	memset(c, 0, offsetof(struct nbd_conn, in));
	c->has_output = has_output;
	c->output_next = next;
	c->server = srv;
	c->waits.all = &srv->waiting;
	c->fd = -1;
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	return c;
}

size_t nbd_conn_refused(struct nbd_conn *c, char *why, size_t room)
{
	struct nbd_server *srv = c->server;
	uint32_t has = slots_of(srv, c->peer, true), left = NBD_CLIENTS - srv->admitted;

	if (has < 3 * left) {
		c->admitted = true;
		srv->admitted++;
		return 0;
	}
	return (size_t)(left ? snprintf(why, room,
					"%s has %u of %u connections, as many as it may have "
					"beside others",
					c->peer, has, NBD_CLIENTS) :
			       snprintf(why, room,
					"%u connections are served, and there is room for no more",
					NBD_CLIENTS));
}
