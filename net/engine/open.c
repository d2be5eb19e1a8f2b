/* SPDX-License-Identifier: MIT */
/*
 * open.c - finds everything by fd number, maps it, checks its size.
 *
 * Room:   net/engine, trusted. Runs once, before the lock; nothing is mapped or
 *         allocated later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device_config.h"
#include "net_core.h"

static int net_config_check(const struct rf_export_config *c)
{
	if (c->service != RF_SERVICE_NET) {
		rf_log("%s is no network interface", c->name);
		return -ENODEV;
	}
	if (c->queues == 1 && c->arena_bytes / RF_NET_UNIT <= RF_TX_AT)
		return 0;
	rf_log("a net service has 1 queue, not %u, and less than 64 GiB of arena", c->queues);
	return -EINVAL;
}

int rf_net_open(struct rf_net **out)
{
	struct rf_net *n = aligned_alloc(64, (sizeof(*n) + 63) & ~(size_t)63);

	if (!n)
		return -ENOMEM;
	memset(n, 0, sizeof(*n));
	int err = rf_session_open(&n->session, &rf_net_session, 0);

	if (!err)
		err = net_config_check(&n->session.config);
	if (!err)
		err = rf_session_map(&n->session);
	if (err) {
		free(n);
		return err;
	}
	rf_net_adopt(n);
	n->notices.since_ns = rf_now_ns();
	*out = n;
	return 0;
}

const struct rf_export_config *rf_net_config(const struct rf_net *n)
{
	return &n->session.config;
}

const struct rf_net_info *rf_net_info(const struct rf_net *n)
{
	return n->session.known && n->session.arena_ours ? &n->info : NULL;
}

bool rf_net_up(const struct rf_net *n)
{
	return n->session.state == RF_DRIVER_UP;
}

uint32_t rf_net_generation(const struct rf_net *n)
{
	return n->session.generation;
}

bool rf_net_gone(const struct rf_net *n)
{
	return n->session.state == RF_DRIVER_GONE;
}

bool rf_net_carrier(const struct rf_net *n)
{
	return n->link != RF_NET_LINK_DOWN && n->session.state != RF_DRIVER_GONE;
}

uint32_t rf_net_tx_bytes(const struct rf_net *n)
{
	return n->tx_buffer;
}
