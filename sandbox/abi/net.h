/* SPDX-License-Identifier: MIT */
/*
 * net.h - the net service: frames to and from a driver.
 *
 * Room:   sandbox/abi, compiled into both sides of the fence.
 * Trust:  the driver may write any byte of struct rf_net_chan at any time; the service
 *         copies a record out before it looks at it. What the service writes is
 *         trusted by the driver.
 * Rings:  rx_free  service -> driver   empty buffers
 *         rx       driver -> service   received frames, in those buffers
 *         tx       service -> driver   frames to send
 *         There is no ring of sent frames: the driver gives a tx slot back (the ring's
 *         head) when the device is done with the frame, in the order it got them. So
 *         a driver has no record to lie in, and a completion costs no record.
 *         rx_free and rx can never be full: there are at most RF_NET_DEPTH buffers, and
 *         each is in one place at a time. Nobody looks for room in them, and the head
 *         of rx_free is never written.
 * Buffers: places in the data arena in units of 64 bytes, never pointers. A receive
 *         buffer has rf_net_info.rx_buffer bytes and belongs to one half of the
 *         arena's receive area: no two generations ever share one. A frame that was
 *         received begins at the first byte of its buffer, and so do its further parts.
 * Sleep:  the driver asks for kicks in tx, and in rx_free if it runs short of buffers;
 *         the service asks in rx, and in tx_wait for slots that come back.
 * Death:  frames in flight to a dead driver are lost and counted; they may have been
 *         sent, so that sending again could duplicate them.
 */
#ifndef RF_NET_H
#define RF_NET_H

#include <stdint.h>

#include "net_types.h"
#include "ring.h"

_Static_assert(sizeof(struct rf_net_frame) == 16, "four frames a cache line");

/* What the queue's shared channel looks like: one per generation half. */
struct rf_net_chan {
	_Alignas(64) _Atomic uint64_t heartbeat; /* driver: counts its loop turns */
	_Atomic uint64_t rx_dropped;             /* driver: frames the device dropped or broke */
	_Atomic uint32_t link;                   /* driver: enum rf_net_link */
	_Alignas(64) _Atomic uint32_t tx_wait;   /* service: kick me when tx slots come back */
	struct {
		_Alignas(64) unsigned char bytes[RF_RING_BYTES(RF_NET_DEPTH, sizeof(uint32_t))];
	} rx_free;
	struct {
		_Alignas(64) unsigned char bytes[RF_RING_BYTES(RF_NET_DEPTH,
							       sizeof(struct rf_net_frame))];
	} rx;
	struct {
		_Alignas(64) unsigned char bytes[RF_RING_BYTES(RF_NET_DEPTH,
							       sizeof(struct rf_net_frame))];
	} tx;
};
#define RF_NET_CHAN_BYTES 40960u /* channel size in the rings memfd, whole pages */
_Static_assert(sizeof(struct rf_net_chan) <= RF_NET_CHAN_BYTES, "a channel fits its pages");

/*
 * The arena of a net device: both halves' receive buffers, then the transmit area up to
 * the end. Half h's buffer i begins at rf_net_rx_at(info, h) + i * rx_buffer.
 */
static inline uint64_t rf_net_rx_at(const struct rf_net_info *info, uint32_t half)
{
	return (uint64_t)half * info->rx_count * info->rx_buffer;
}

static inline uint64_t rf_net_tx_at(const struct rf_net_info *info)
{
	return (rf_net_rx_at(info, 2) + 4095) & ~4095ull;
}

#endif
