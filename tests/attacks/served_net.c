/* SPDX-License-Identifier: MIT */
/*
 * served_net.c - the smallest export of the network there is: it takes frames and sends some,
 * and keeps books of its own of what may be where. The other side of every attack on a NIC's
 * rings.
 *
 * Room:   tests/attacks. Linked with the service as it is shipped, or with one whose checks
 *         ask rf_without first (served-net-lax).
 * Books:  a frame must lie in one of this half's receive buffers, all of it, and in one that
 *         was not already here; what it says of checksums must lie in it; a buffer to send
 *         with is nobody else's. Each is counted in the page where it is not so.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "device_config.h"
#include "log.h"
#include "net_service.h"
#include "shared_page.h"

#define SEND 8u

unsigned rf_without;

static struct served_page *page;
static const struct rf_net_info *info;
static unsigned char here[RF_NET_DEPTH]; /* buffers that were given to us */

/* The receive buffer that a record lies in, or -1. */
static int buffer_of(const struct rf_net_frame *f)
{
	uint64_t at = (uint64_t)f->at * RF_NET_UNIT - rf_net_rx_at(info, 0);
	uint64_t i = at / info->rx_buffer;

	return i < info->rx_count && at % info->rx_buffer == 0 && f->length <= info->rx_buffer ?
		       (int)i :
		       -1;
}

static void look(const struct rf_net_frame *f, bool first)
{
	int i = buffer_of(f);

	if (i < 0 ||
	    (first && f->flags & RF_NET_CSUM && f->csum_start + f->csum_offset + 2u > f->length) ||
	    f->gso > RF_NET_GSO_TCP6 || (f->gso && !(info->features & RF_NET_HAS_RX_GSO)))
		page->impossible++;
	else if (here[i])
		page->doubled++;
	else
		here[i] = 1;
}

/* What one turn brought is kept over the next: a buffer that comes twice is noticed. */
static void receive(struct rf_net *n)
{
	static struct rf_net_frame frames[2][RF_NET_PARTS];
	static unsigned count[2], turn;
	bool first = true;

	turn ^= 1;
	count[turn] = rf_net_rx(n, frames[turn], RF_NET_PARTS);
	for (unsigned i = 0; i < count[turn]; i++) {
		look(&frames[turn][i], first);
		first = !(frames[turn][i].flags & RF_NET_MORE);
		page->completed += page->completed < page->wanted;
	}
	unsigned old = turn ^ 1;
	for (unsigned i = 0; i < count[old]; i++)
		if (buffer_of(&frames[old][i]) >= 0)
			here[buffer_of(&frames[old][i])] = 0;
	rf_net_rx_done(n, frames[old], count[old]);
	count[old] = 0;
}

/* All buffers of a batch are held before the first is sent. */
static void send(struct rf_net *n)
{
	uint32_t at[SEND], got = 0;

	if (rf_net_tx_room(n, SEND) < SEND)
		return;
	while (got < SEND && (at[got] = rf_net_tx_alloc(n)))
		got++;
	for (uint32_t i = 0; i < got; i++)
		for (uint32_t j = 0; j < i; j++)
			page->doubled += at[i] == at[j];
	for (uint32_t i = 0; i < got; i++)
		if (rf_net_tx(n, &(struct rf_net_frame){.at = at[i], .length = 60}))
			rf_die(70, "a good frame was refused");
}

int main(void)
{
	struct rf_net *n;

	rf_log_name = "served";
	char *config = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, RF_EXPORT_FD_CONFIG, 0);
	if (config == MAP_FAILED)
		return 70;
	((struct rf_export_config *)config)->service = RF_SERVICE_NET;
	if (rf_net_open(&n))
		return 70;
	page = (void *)(config + SERVED_PAGE_OFFSET);
	rf_without = page->without;
	for (;;) {
		if (rf_net_control(n) == -EPIPE)
			return 0;
		info = rf_net_info(n);
		if (info && rf_net_up(n)) {
			receive(n);
			send(n);
			rf_net_push(n);
		}
		page->finished = page->completed >= page->wanted;
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
}
