/* SPDX-License-Identifier: MIT */
/*
 * frames.c - sends frames through a loop until its driver was replaced once, then until one comes
 * back that it had not sent before; each must come back as it was sent.
 *
 * Room:   tests/library; sees ringfence.h only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringfence.h>

#define BATCH RF_NET_PARTS
#define BYTES 256u

static struct rf_net *net;
static uint32_t sent, received, wrong, newest;

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	dprintf(STDERR_FILENO, "frames: %s: %s\n", what, strerror(-err));
	exit(err == -EPIPE ? 0 : 1);
}

static void fill(unsigned char *at, uint32_t number)
{
	const struct rf_net_info *info = rf_net_info(net);

	memset(at, (int)(number * 7), BYTES);
	memcpy(at, info->mac, 6);
	memcpy(at + 6, info->mac, 6);
	at[12] = 0x88; /* for local experiments */
	at[13] = 0xb5;
	memcpy(at + 14, &number, sizeof(number));
}

static void send_batch(void)
{
	uint32_t at;

	while (rf_net_tx_room(net, 1) && (at = rf_net_tx_alloc(net))) {
		struct rf_net_frame f = { .at = at, .length = BYTES };

		fill(rf_net_at(net, at), ++sent);
		must(rf_net_tx(net, &f), "a frame is refused");
		if (!(sent % BATCH))
			return;
	}
}

static void receive(void)
{
	struct rf_net_frame frames[BATCH];
	unsigned n = rf_net_rx(net, frames, BATCH);

	for (unsigned i = 0; i < n; i++) {
		unsigned char expected[BYTES];
		const unsigned char *at = rf_net_at(net, frames[i].at);
		uint32_t number;

		memcpy(&number, at + 14, sizeof(number));
		fill(expected, number);
		wrong += frames[i].length != BYTES || number > sent || memcmp(at, expected, BYTES);
		received++;
		newest = number;
	}
	rf_net_rx_done(net, frames, n);
}

static bool replaced(void)
{
	struct rf_notice n;
	bool up = false;

	while (rf_net_notice(net, &n)) {
		if (n.type == RF_NOTICE_DOWN)
			dprintf(STDOUT_FILENO, "driver %u died\n", n.generation);
		up |= n.type == RF_NOTICE_UP;
	}
	return up;
}

int main(void)
{
	rf_program_name("frames");
	must(rf_net_open(&net), "cannot open the interface");
	while (!rf_net_info(net) || !rf_net_up(net))
		must(rf_net_wait(net, false, -1), "no interface");
	must(rf_program_lock(), "cannot lock itself");
	dprintf(STDOUT_FILENO, "%s: begins\n", rf_net_name(net));
	for (uint32_t before = 0; !before || newest <= before;) {
		send_batch();
		must(rf_net_wait(net, true, -1), "the interface");
		receive();
		if (replaced())
			before = sent;
	}
	dprintf(STDOUT_FILENO, "%u frames came back, %u wrong\n", received, wrong);
	return wrong != 0;
}
