/* SPDX-License-Identifier: MIT */
/*
 * link_service.c - the net service as a link.
 *
 * Room:   net/export/lwip, trusted.
 * Death:  of the driver goes by unseen but for lost frames, which TCP sends again as soon as its
 *         successor runs: the connections live in this process.
 */
#include "export_config.h"
#include "link_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "loop.h"
#include "net_service.h"

#define BURST     64u
#define FRAME_MAX 65536u

static struct net_link {
	struct link    link; /* first */
	struct rf_net *net;
	struct loop_watch   control, kick;
	uint32_t       at;      /* buffer to send, filled next; 0: none */
	uint32_t       generation; /* of the driver that was seen to run */
	bool           starved; /* a frame could not be sent: wake us when buffers come back */
	uint8_t        frame[FRAME_MAX];
} it;

/* A frame of several parts, or one whose sender left the checksum to somebody: ours first. */
static void odd_frame(const struct rf_net_frame *part, unsigned parts, link_frame *frame, void *arg)
{
	uint32_t length = 0;

	for (unsigned i = 0; i < parts; i++) {
		if (part[i].length > FRAME_MAX - length) {
			it.link.rx_bad++;
			return;
		}
		memcpy(it.frame + length, rf_net_at(it.net, part[i].at), part[i].length);
		length += part[i].length;
	}
	if (part->flags & RF_NET_CSUM)
		rf_net_sum_fill(it.frame, length, part->csum_start, part->csum_offset);
	frame(arg, it.frame, length, part->flags & RF_NET_CSUM_OK);
}

static int link_service_receive(struct link *link, link_frame *frame, void *arg, int most)
{
	struct rf_net_frame got[BURST];
	unsigned n = rf_net_rx(it.net, got, (unsigned)most < BURST ? (unsigned)most : BURST);
	unsigned parts;

	(void)link;
	for (unsigned i = 0; i < n; i += parts) {
		parts = 1;
		while (got[i + parts - 1].flags & RF_NET_MORE && i + parts < n)
			parts++;
		/* The device removed a VLAN tag. Frames of a VLAN do not belong to this link. */
		if (got[i].flags & RF_NET_VLAN && got[i].vlan & 0xfff)
			it.link.rx_others++;
		else if (parts > 1 || got[i].flags & RF_NET_CSUM)
			odd_frame(&got[i], parts, frame, arg);
		else
			frame(arg, rf_net_at(it.net, got[i].at), got[i].length,
			      got[i].flags & RF_NET_CSUM_OK);
	}
	if (n)
		rf_net_rx_done(it.net, got, n);
	return (int)n;
}

static void *link_service_room(struct link *link, uint32_t length)
{
	(void)link;
	if (!it.at && rf_net_tx_room(it.net, 1))
		it.at = rf_net_tx_alloc(it.net);
	if (it.at && length <= rf_net_tx_bytes(it.net))
		return rf_net_at(it.net, it.at);
	it.starved = true;
	return NULL;
}

static void link_service_send_now(struct link *link, uint32_t length)
{
	struct rf_net_frame frame = { .at = it.at, .length = (uint16_t)length };

	/* Refused: there is no driver, or it cannot send this. The next frame gets the buffer. */
	if (rf_net_tx_room(it.net, 1) && !rf_net_tx(it.net, &frame))
		it.at = 0;
	else
		link->tx_full++;
}

static void link_service_flush(struct link *link)
{
	(void)link;
	rf_net_push(it.net);
}

static bool sleep_now(struct link *link)
{
	bool starved = it.starved;

	(void)link;
	it.starved = false;
	return rf_net_sleep(it.net, starved);
}

static void wake(struct link *link)
{
	(void)link;
	rf_net_wake(it.net, false);
}

int link_service_patience(void)
{
	return rf_net_patience(it.net);
}

static void link_service_learn(void)
{
	const struct rf_net_info *info = rf_net_info(it.net);

	if (info && !it.link.known) {
		memcpy(it.link.mac, info->mac, 6);
		it.link.mtu = info->mtu;
		it.link.known = true;
	}
	it.link.up = info && rf_net_carrier(it.net);
	if (rf_net_up(it.net) && rf_net_generation(it.net) != it.generation) {
		it.generation = rf_net_generation(it.net);
		it.link.renewed = true;
	}
}

static void link_service_tick(struct link *link)
{
	(void)link;
	rf_net_tick(it.net);
	link_service_learn();
}

static void link_service_control(struct loop_watch *w)
{
	int err = rf_net_control(it.net);

	(void)w;
	if (err == -EPIPE)
		exit(0);
	if (err) { /* the disks of this process go on */
		rf_log("the interface is gone, disks are not: its device process says what cannot "
		       "be (%s); "
		       "look at the device, then restart it",
		       strerror(-err));
		rf_net_drop(it.net);
	}
	link_service_learn();
}

static void link_service_kicked(struct loop_watch *w)
{
	(void)w; /* to wake up was all */
}

static const struct link_ops ops = {
	.receive = link_service_receive,
	.room = link_service_room,
	.send = link_service_send_now,
	.flush = link_service_flush,
	.sleep = sleep_now,
	.wake = wake,
	.tick = link_service_tick,
};

uint64_t link_service_spin_ns(void)
{
	return rf_net_up(it.net) ? rf_net_config(it.net)->spin_ns : 0;
}

struct link *link_service_open(void)
{
	int err = rf_net_open(&it.net);

	if (err)
		rf_die(RF_EXIT_BUG, "cannot start: %s", strerror(-err));
	it.link.ops = &ops;
	it.control = (struct loop_watch){ .fd = RF_EXPORT_FD_CONTROL,
					  .call = link_service_control };
	it.kick = (struct loop_watch){ .fd = RF_EXPORT_FD_KICK, .call = link_service_kicked };
	loop_want(&it.control, EPOLLIN);
	loop_want(&it.kick, EPOLLIN | EPOLLET);
	return &it.link;
}
