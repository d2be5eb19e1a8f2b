/* SPDX-License-Identifier: MIT */
/*
 * recover.c - what happens to frames and buffers when their driver dies.
 *
 * Room:   net/engine, trusted.
 * Steps:  DOWN      frames the dead driver had received are kept; those it had not reported
 *                   as sent are lost, counted, and their buffers in limbo, because the device
 *                   may still read them. The successor's half is cleared, and the receive
 *                   buffers of that half, which only its own generations ever had, posted.
 *         QUIESCED  the device is silent: limbo is over.
 *         UP        the successor runs. What was sent since DOWN lies in its ring already.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "bounded.h"
#include "handed.h"
#include "net_core.h"
#include "packet.h"

#define TICK_MS     100
#define IDLE_NUDGES 50 /* nudges, between two kicks while no frame is under way */
#define RX_LEAST    64u /* receive buffers: some are always under way */

static const char *const lie_names[] = {
	[RF_LIE_INDEX] = "a ring index that cannot be",
	[RF_LIE_BUFFER] = "a buffer it does not have",
	[RF_LIE_FRAME] = "a frame that cannot be",
	[RF_LIE_WAKE] = "a wake-up that its device server keeps full",
};

static void net_tell_at(struct rf_net *n, enum rf_svc_type type, uint32_t value, uint64_t at)
{
	struct rf_svc_msg msg = { .type = type, .generation = n->generation, .half = n->half,
				  .value = value, .at_ns = at };

	rf_svc_tell(RF_NET_FD(n, RF_EXPORT_FD_CONTROL), &msg, &n->untold);
}

void rf_net_tell(struct rf_net *n, enum rf_svc_type type, uint32_t value)
{
	net_tell_at(n, type, value, 0);
}

void rf_net_lied(struct rf_net *n, enum rf_violation lie)
{
	n->count.violations++;
	n->state = RF_NET_LIED;
	rf_log_peer("driver generation %u gave %s: its rings are not read any more", n->generation,
	       lie_names[lie]);
	rf_net_tell(n, RF_SVC_VIOLATION, lie);
	rf_net_publish(n);
}

/* A full eventfd keeps its driver awake, and would keep us waiting. */
void rf_net_kick(struct rf_net *n)
{
	if (!rf_bounded_kick(RF_NET_FD(n, n->half ? RF_EXPORT_FD_WAKE1 : RF_EXPORT_FD_WAKE0)))
		rf_net_lied(n, RF_LIE_WAKE);
}

/* ---- the next half ------------------------------------------------------------------- */

static void net_attach(struct rf_net *n, uint32_t generation, uint32_t half)
{
	struct rf_net_chan *chan = (void *)(n->rings + half * RF_NET_CHAN_BYTES);

	n->chan = chan;
	rf_ring_attach(&n->rx, chan->rx.bytes, RF_NET_DEPTH);
	n->free_shared = (struct rf_ring *)chan->rx_free.bytes;
	n->tx_shared = (struct rf_ring *)chan->tx.bytes;
	n->free_ring = (uint32_t *)n->free_shared->records;
	n->tx_ring = (struct rf_net_frame *)n->tx_shared->records;
	n->free_own = n->free_seen = 0;
	n->tx_own = n->tx_seen = n->tx_done = 0;
	n->generation = generation;
	n->half = half;
	n->rx_base = (uint32_t)(rf_net_rx_at(&n->info, half) / RF_NET_UNIT);
	n->buffer = n->buffers[half];
	rf_watch_reset(&n->watch);
	n->sent_ns = 0;
	n->stalled = false;
	n->rx_dropped_before += n->rx_dropped;
	n->rx_dropped = 0;
}

/* All of this half's receive buffers that the export does not hold. */
static void post_all(struct rf_net *n)
{
	for (uint32_t i = 0; i < n->rx_count; i++) {
		if (n->buffer[i] == RF_BUFFER_HELD)
			continue;
		n->buffer[i] = RF_BUFFER_HELD;
		rf_net_post(n, n->rx_base + (i << n->rx_shift));
	}
}

/* ---- death ---------------------------------------------------------------------------- */

/* Frames under way are lost. Number of them. */
static uint32_t lose(struct rf_net *n)
{
	uint32_t frames = 0;

	for (uint32_t i = n->tx_done; i != n->tx_own; i++) {
		uint32_t slot = n->tx_slot[i & (RF_NET_DEPTH - 1)], at = slot & RF_TX_AT;

		frames += !(slot & RF_TX_MORE);
		if (slot & RF_TX_KEPT)
			continue;
		if (at >= n->tx_base)
			n->limbo[n->limbo_count++] = at;
		else if (rf_net_index(n, at) < n->rx_count)
			n->buffer[rf_net_index(n, at)] = RF_BUFFER_FREE;
		else
			rf_net_post_other(n, at);
	}
	n->tx_done = n->tx_own;
	n->count.lost_tx += frames;
	return frames;
}

/* Answers the dead driver had published are true: it had them before it died. */
static uint32_t net_drain(struct rf_net *n)
{
	enum rf_violation lie = 0;

	if (!rf_net_alive(n)) {
		rf_net_unchain(n);
		return 0;
	}
	uint32_t drained = rf_net_drain(n, &lie);
	if (lie) {
		n->count.violations++;
		rf_log_peer("driver generation %u, dead, left %s behind", n->generation,
			    lie_names[lie]);
		return drained;
	}
	n->state = RF_NET_LIED; /* a lie now is told to nobody */
	uint32_t head = atomic_load_explicit(&n->tx_shared->head, memory_order_acquire);
	if (head - n->tx_done <= n->tx_seen - n->tx_done) {
		rf_net_reap(n);
	} else {
		n->count.violations++;
		rf_log_peer("driver generation %u, dead, left %s behind", n->generation,
		       lie_names[RF_LIE_INDEX]);
	}
	return drained;
}

/*
 * The successor lives in the other half, unless the dead one is none we ever had: then the
 * device process was replaced, the device opened anew before anybody told us, and nothing
 * writes into either half any more.
 */
static bool down_fits(const struct rf_net *n, const struct rf_svc_msg *msg)
{
	return n->state == RF_NET_NONE || msg->generation > n->generation ||
	       (msg->generation == n->generation && msg->half != n->half);
}

/* What lies in the dead driver's half, for its bundle; nothing else follows from it. */
static void net_autopsy(struct rf_net *n, uint32_t generation, uint32_t half)
{
	struct rf_autopsy_net *a = (void *)((char *)n->stats + RF_AUTOPSY_NET);
	const struct rf_net_chan *chan = (const void *)(n->rings + half * RF_NET_CHAN_BYTES);
	const struct rf_ring *tx = (const void *)chan->tx.bytes, *rx = (const void *)chan->rx.bytes;

	a += generation % RF_AUTOPSY_SLOTS;
	a->generation = 0;
	a->tx_tail = tx->tail;
	a->tx_head = tx->head;
	a->rx_tail = rx->tail;
	a->heartbeat = chan->heartbeat;
	for (uint32_t i = 1; i <= RF_AUTOPSY_TAIL; i++) {
		uint32_t t = a->tx_tail - i, r = a->rx_tail - i;

		memcpy(&a->tx[t % RF_AUTOPSY_TAIL], tx->records + t % RF_NET_DEPTH * sizeof(*a->tx),
		       sizeof(*a->tx));
		memcpy(&a->rx[r % RF_AUTOPSY_TAIL], rx->records + r % RF_NET_DEPTH * sizeof(*a->rx),
		       sizeof(*a->rx));
	}
	a->generation = generation;
}

static int net_on_down(struct rf_net *n, const struct rf_svc_msg *msg)
{
	struct rf_recovery_service *log = &n->stats->log[msg->generation % RF_STATS_LOG];

	if (msg->half > 1 || !n->info_known || !down_fits(n, msg))
		return -EPROTO;
	*log = (struct rf_recovery_service){ .generation = msg->generation,
					     .down_ns = rf_now_ns() };
	/* Kicks of the dead, perhaps as many as make the eventfd refuse its successor's. */
	rf_net_wake(n, true);
	log->drained = net_drain(n);
	log->inflight = lose(n);
	n->await_generation = msg->generation;
	n->first_io_awaited = true;
	memset(n->rings + msg->half * RF_NET_CHAN_BYTES, 0, RF_NET_CHAN_BYTES);
	net_attach(n, msg->generation + 1, msg->half);
	n->state = RF_NET_PREPARED;
	post_all(n);
	rf_net_push(n);
	rf_net_tell(n, RF_SVC_PREPARED, 0);
	net_autopsy(n, msg->generation, !msg->half);
	return 0;
}

static void limbo_end(struct rf_net *n)
{
	while (n->limbo_count)
		rf_net_tx_free(n, n->limbo[--n->limbo_count]);
	n->arena_ours = true;
}

static int net_on_quiesced(struct rf_net *n)
{
	if (n->state == RF_NET_UP)
		return -EPROTO;
	limbo_end(n);
	return 0;
}

static int net_on_up(struct rf_net *n, const struct rf_svc_msg *msg)
{
	if (msg->half > 1 || !n->info_known)
		return -EPROTO;
	if (n->state == RF_NET_NONE) {
		net_attach(n, msg->generation, msg->half);
		n->state = RF_NET_PREPARED;
		post_all(n);
	}
	if (msg->generation != n->generation || msg->half != n->half)
		return -EPROTO;
	limbo_end(n);
	if (n->state == RF_NET_LIED) /* before it was announced */
		return 0;
	n->state = RF_NET_UP;
	/* What DOWN put there was published, but nobody was kicked. */
	n->free_seen--;
	n->tx_seen -= n->tx_own != 0;
	rf_net_push(n);
	return 0;
}

static void net_on_gone(struct rf_net *n)
{
	if (n->state != RF_NET_NONE)
		lose(n);
	n->state = RF_NET_GONE;
	n->link = RF_NET_LINK_DOWN;
}

/* ---- the interface ----------------------------------------------------------------------- */

/* Can this be an interface, and do its buffers fit the arena? */
static bool info_fits(const struct rf_net *n, const struct rf_net_info *in)
{
	uint32_t b = in->rx_buffer;

	return b >= 2048 && b <= 32768 && !(b & (b - 1)) &&
	       in->rx_count <= RF_NET_DEPTH && in->rx_count >= RX_LEAST && in->mtu >= 68 &&
	       in->mtu <= 65535 - 18 && in->tx_max >= in->mtu + 14u && in->tx_max <= 65535 &&
	       !(in->mac[0] & 1) &&
	       rf_net_tx_at(in) < n->config.arena_bytes &&
	       n->config.arena_bytes - rf_net_tx_at(in) >= 16 * 65536;
}

/* As a successor of the device process found it. Right after a reset the link may be down:
 * it counts as it was, until the driver says otherwise. */
static bool same_interface(const struct rf_net_info *a, const struct rf_net_info *b)
{
	struct rf_net_info now = *a;

	now.link = b->link;
	now.speed = b->speed;
	return !memcmp(&now, b, sizeof(now));
}

static int net_on_info(struct rf_net *n, const struct rf_svc_msg *msg)
{
	const struct rf_net_info *in = &msg->net;

	if (n->info_known)
		return same_interface(in, &n->info) ? 0 : -EPROTO;
	if (!info_fits(n, in))
		return -EPROTO;
	n->info = *in;
	n->rx_count = in->rx_count;
	n->rx_buffer = in->rx_buffer;
	n->rx_shift = (uint32_t)__builtin_ctz(in->rx_buffer / RF_NET_UNIT);
	n->frame_max = in->mtu + 18u;
	n->plain_max = n->frame_max < in->rx_buffer ? n->frame_max : in->rx_buffer;
	n->link = in->link;
	n->tx_base = (uint32_t)(rf_net_tx_at(in) / RF_NET_UNIT);
	n->tx_buffer = 2048;
	while (n->tx_buffer < in->tx_max)
		n->tx_buffer *= 2;
	uint64_t at = rf_net_tx_at(in);
	uint32_t count = 0;
	for (; count < RF_NET_TX_BUFFERS && at + n->tx_buffer <= n->config.arena_bytes;
	     at += n->tx_buffer)
		count++;
	/* A stack: the first ones are used again and again, and stay in the caches. */
	while (count--)
		rf_net_tx_free(n, n->tx_base + count * (n->tx_buffer / RF_NET_UNIT));
	n->info_known = true;
	return 0;
}

/* A device process that goes on all the same, because its interface was dropped here, is not
 * kept waiting: no memory of it is in use. */
static int net_after_gone(struct rf_net *n, const struct rf_svc_msg *msg)
{
	if (msg->type == RF_SVC_DOWN) {
		n->generation = msg->generation + 1;
		n->half = msg->half & 1;
		rf_net_tell(n, RF_SVC_PREPARED, 0);
	}
	return 0;
}

void rf_net_drop(struct rf_net *n)
{
	net_on_gone(n);
}

static int net_dispatch(struct rf_net *n, const struct rf_svc_msg *msg)
{
	if (msg->type == RF_SVC_PING) {
		atomic_store(&n->stats->pong, msg->value);
		rf_log_catch_up();
		return 0;
	}
	if (n->state == RF_NET_GONE)
		return net_after_gone(n, msg);
	switch (msg->type) {
	case RF_SVC_INFO:
		return net_on_info(n, msg);
	case RF_SVC_DOWN:
		return net_on_down(n, msg);
	case RF_SVC_QUIESCED:
		return net_on_quiesced(n);
	case RF_SVC_UP:
		return net_on_up(n, msg);
	case RF_SVC_GONE:
		net_on_gone(n);
		return 0;
	case RF_SVC_LINK:
		if (msg->value != RF_NET_LINK_UP && msg->value != RF_NET_LINK_DOWN)
			return -EPROTO;
		n->link = msg->value;
		return 0;
	default:
		return -EPROTO;
	}
}

int rf_net_control(struct rf_net *n)
{
	for (;;) {
		struct rf_svc_msg msg;
		int fds[RF_PACKET_FDS], count;
		int got = rf_packet_recv(RF_NET_FD(n, RF_EXPORT_FD_CONTROL), &msg, sizeof(msg), fds,
					 &count, MSG_DONTWAIT);

		if (got == -EAGAIN)
			break;
		if (got == 0)
			return -EPIPE;
		if (got < 0)
			return got;
		rf_close_all(fds, count);
		int err = got == sizeof(msg) && !count ? net_dispatch(n, &msg) : -EPROTO;
		if (err) {
			rf_log("message %u (generation %u, half %u) of the device process does not "
			       "fit driver generation %u", got >= 4 ? msg.type : 0, msg.generation,
			       msg.half, n->generation);
			return err;
		}
	}
	rf_net_publish(n);
	return 0;
}

/* ---- signs of life ---------------------------------------------------------------------- */

/* Frames under way, which a driver that is kicked should report as sent some day. */
static bool sending(const struct rf_net *n)
{
	return n->tx_done != n->tx_own;
}

int rf_net_patience(const struct rf_net *n)
{
	return n->state == RF_NET_UP && sending(n) ? rf_watch_turn(&n->watch) : TICK_MS;
}

/* With nothing under way a driver that hangs looks like one with nothing to receive: it is
 * kicked all the same, but rarely. */
static void net_watch(struct rf_net *n, uint64_t now)
{
	uint64_t beat = atomic_load_explicit(&n->chan->heartbeat, memory_order_acquire);
	uint64_t nudge = sending(n) ? n->config.nudge_ns : n->config.nudge_ns * IDLE_NUDGES;

	switch (rf_watch_look(&n->watch, now, nudge, true, n->count.rx_frames + n->count.tx_done,
			      beat)) {
	case RF_WATCH_KICK:
		rf_net_kick(n);
		break;
	case RF_WATCH_SILENT:
		net_tell_at(n, RF_SVC_SILENT, n->watch.episode, now);
		break;
	case RF_WATCH_FINE:
		break;
	}
}

/* A device that sends nothing more, although it has a link, is reset with its driver. */
static void look_at_sending(struct rf_net *n, uint64_t now)
{
	if (!sending(n) || n->link == RF_NET_LINK_DOWN || !n->sent_ns ||
	    n->tx_done != n->sent_then) {
		n->sent_then = n->tx_done;
		n->sent_ns = now;
		n->sent_lived_ns = n->lived.ns;
		return;
	}
	if (n->lived.ns - n->sent_lived_ns < n->config.stall_ns || n->stalled ||
	    (n->config.nudge_ns &&
	     !rf_watch_alive_since(&n->watch, n->sent_ns + n->config.stall_ns)))
		return;
	n->stalled = true;
	n->count.stalls++;
	rf_log_peer("%u frames handed to driver generation %u: none was sent for %llu ms",
		    n->tx_own - n->tx_done, n->generation,
		    (unsigned long long)(now - n->sent_ns) / 1000000);
	rf_net_tell(n, RF_SVC_STALL, 0);
}

void rf_net_tick(struct rf_net *n)
{
	rf_svc_tell_again(RF_NET_FD(n, RF_EXPORT_FD_CONTROL), &n->untold);
	if (n->state == RF_NET_UP) {
		uint32_t link = atomic_load_explicit(&n->chan->link, memory_order_relaxed);

		/* What it says about link and drops harms nobody but itself. */
		n->rx_dropped = atomic_load_explicit(&n->chan->rx_dropped, memory_order_relaxed);
		if (n->info.features & RF_NET_HAS_LINK &&
		    (link == RF_NET_LINK_UP || link == RF_NET_LINK_DOWN))
			n->link = link;
		rf_net_reap(n);
		uint64_t now = rf_now_ns();
		if (n->config.nudge_ns)
			net_watch(n, now);
		if (n->config.stall_ns && rf_lived_turn(&n->lived, now, n->config.stall_ns) &&
		    n->state == RF_NET_UP)
			look_at_sending(n, now);
	}
	rf_net_publish(n);
}
