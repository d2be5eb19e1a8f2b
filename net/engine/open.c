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
#include <sys/mman.h>

#include "clock.h"
#include "device_config.h"
#include "handed.h"
#include "net_core.h"

static int net_config_read(struct rf_net *n)
{
	struct rf_export_config *c = &n->config;
	int err = rf_handed_config(RF_NET_FD(n, RF_EXPORT_FD_CONFIG), c);

	if (err)
		return err;
	if (c->service != RF_SERVICE_NET) {
		rf_log("%s is no network interface", c->name);
		return -ENODEV;
	}
	if (c->queues != 1 || c->arena_bytes / RF_NET_UNIT > RF_TX_AT) {
		rf_log("a net service has 1 queue, not %u, and less than 64 GiB of arena",
		       c->queues);
		return -EINVAL;
	}
	return 0;
}

static int net_map_all(struct rf_net *n)
{
	const int rw = PROT_READ | PROT_WRITE;
	int err = net_config_read(n);

	if (err)
		return err;
	if ((err = rf_handed_map(RF_NET_FD(n, RF_EXPORT_FD_DATA), "arena", n->config.arena_bytes,
				 rw, &n->data)) ||
	    (err = rf_handed_map(RF_NET_FD(n, RF_EXPORT_FD_RINGS), "rings", 2 * RF_NET_CHAN_BYTES,
				 rw, &n->rings)) ||
	    (err = rf_handed_map(RF_NET_FD(n, RF_EXPORT_FD_STATS), "stats", RF_STATS_DEVICE, rw,
				 &n->stats)))
		return err;
	return rf_handed_kick(RF_NET_FD(n, RF_EXPORT_FD_KICK));
}

int rf_net_open(struct rf_net **out)
{
	struct rf_net *n = aligned_alloc(64, (sizeof(*n) + 63) & ~(size_t)63);

	if (!n)
		return -ENOMEM;
	memset(n, 0, sizeof(*n));
	n->first_fd = RF_EXPORT_FD_CONTROL;
	int err = net_map_all(n);
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
	return &n->config;
}

const struct rf_net_info *rf_net_info(const struct rf_net *n)
{
	return n->info_known && n->arena_ours ? &n->info : NULL;
}

bool rf_net_up(const struct rf_net *n)
{
	return n->state == RF_NET_UP;
}

uint32_t rf_net_generation(const struct rf_net *n)
{
	return n->generation;
}

bool rf_net_gone(const struct rf_net *n)
{
	return n->state == RF_NET_GONE;
}

bool rf_net_carrier(const struct rf_net *n)
{
	return n->link != RF_NET_LINK_DOWN && n->state != RF_NET_GONE;
}

void *rf_net_at(const struct rf_net *n, uint32_t at)
{
	return n->data + (uint64_t)at * RF_NET_UNIT;
}

uint32_t rf_net_tx_bytes(const struct rf_net *n)
{
	return n->tx_buffer;
}
