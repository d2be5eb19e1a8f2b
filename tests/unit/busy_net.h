/* SPDX-License-Identifier: MIT */
/*
 * busy_net.h - the net service of busy.h: frames come as the test says.
 *
 * Room:   tests/unit.
 */
#ifndef RF_TEST_BUSY_NET_H
#define RF_TEST_BUSY_NET_H

#include "busy.h"
#include "net_service.h"

static struct {
	uint64_t look_ns; /* what a look for frames costs */
	unsigned every;   /* so manyth of them finds one; 0: none does */
	uint64_t looks;
	bool     up;
	struct rf_export_config config;
	struct rf_net_info info;
	struct rf_stats_net stats;
	unsigned char frame[65536];
} net = { .info = { .mtu = 1500 }, .up = true };

unsigned rf_net_rx(struct rf_net *n, struct rf_net_frame *out, unsigned max)
{
	(void)n;
	busy_for(net.look_ns);
	if (!max || !net.every || ++net.looks % net.every)
		return 0;
	*out = (struct rf_net_frame){ .at = 1, .length = 60 };
	return 1;
}

int rf_net_control(struct rf_net *n)
{
	(void)n;
	return busy_control();
}

void rf_net_tick(struct rf_net *n)
{
	(void)n;
	busy_tick();
}

/* It never sleeps: what comes in time to keep it from that is the point. */
bool rf_net_sleep(struct rf_net *n, bool tx)
{
	(void)n;
	(void)tx;
	return false;
}

int rf_net_open(struct rf_net **out)
{
	*out = NULL;
	return 0;
}

const struct rf_export_config *rf_net_config(const struct rf_net *n)
{
	(void)n;
	return &net.config;
}

const struct rf_net_info *rf_net_info(const struct rf_net *n)
{
	(void)n;
	return &net.info;
}

bool rf_net_up(const struct rf_net *n)
{
	(void)n;
	return net.up;
}

void *rf_net_at(const struct rf_net *n, uint32_t at)
{
	(void)n;
	(void)at;
	return net.frame;
}

struct rf_stats_net *rf_net_stats(struct rf_net *n)
{
	(void)n;
	return &net.stats;
}

unsigned rf_net_tx_room(struct rf_net *n, unsigned want)
{
	(void)n;
	(void)want;
	return 0;
}

uint32_t rf_net_tx_alloc(struct rf_net *n)
{
	(void)n;
	return 1;
}

void rf_net_rx_done(struct rf_net *n, const struct rf_net_frame *frames, unsigned count)
{
	(void)n;
	(void)frames;
	(void)count;
}

void rf_net_wake(struct rf_net *n, bool kicked)
{
	(void)n;
	(void)kicked;
}

int rf_net_patience(const struct rf_net *n)
{
	(void)n;
	return 0;
}

void rf_net_push(struct rf_net *n)
{
	(void)n;
}

#endif
