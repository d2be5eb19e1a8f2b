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

#include "ring.h"

/* Slots of each ring. */
#define RF_NET_DEPTH 1024u
/* Unit of rf_net_frame.at and of rx_free records, bytes. */
#define RF_NET_UNIT 64u
/* Most records of one frame. */
#define RF_NET_PARTS 32u

/* rf_net_frame.flags */
#define RF_NET_MORE     0x01u /* the frame goes on in the next record */
#define RF_NET_CSUM     0x02u /* tx: fill in the checksum at csum_start + csum_offset; rx: it is
                                 still to be filled in (the frame never was on a wire) */
#define RF_NET_CSUM_OK  0x04u /* rx: the device says the transport checksum is right */
#define RF_NET_VLAN     0x08u /* tx: insert the tag `vlan`; rx: it was stripped */

/* rf_net_frame.gso: a frame longer than the wire takes, to be cut (tx) or glued (rx). */
enum rf_net_gso { RF_NET_GSO_NONE, RF_NET_GSO_TCP4, RF_NET_GSO_TCP6 };

/*
 * One frame or part of one. Metadata is valid in the first record of a frame; further
 * records have at, length and RF_NET_MORE only, the rest 0. Offsets count bytes from
 * the start of the Ethernet header. A frame with RF_NET_CSUM has at its checksum field the
 * sum of the pseudo header (with the length, except RF_NET_TSO_NO_LENGTH), not inverted.
 */
struct rf_net_frame {
	uint32_t at;          /* first byte in the arena, units of RF_NET_UNIT */
	/* bytes of this record, without FCS; rx: 0 gives an empty buffer back */
	uint16_t length;
	uint8_t  flags;       /* RF_NET_* */
	uint8_t  gso;         /* enum rf_net_gso; tx: only with RF_NET_CSUM */
	uint16_t gso_size;    /* payload bytes of each segment */
	uint8_t  csum_start;  /* RF_NET_CSUM: where the checksummed bytes begin (transport header);
	                         tx: csum_start + csum_offset fits into a byte, too */
	uint8_t  csum_offset; /* from there to the checksum field */
	/* tx with RF_NET_CSUM: IP header, at most RF_NET_L3_MOST; 0: not IP */
	uint8_t  l3_start;
	uint8_t l4_bytes; /* tx with gso: TCP header: headers end at csum_start + l4_bytes, which
	                         fits into a byte, too */
	uint16_t vlan;        /* RF_NET_VLAN: TCI */
};
_Static_assert(sizeof(struct rf_net_frame) == 16, "four frames a cache line");

/* Devices have so many bits for these: 7 for what lies before the IP header (82576), 8 for
 * the checksum's place and for all headers (82574). The service sends nothing beyond. */
#define RF_NET_L3_MOST 127u

/* rf_net_chan.link, written by the driver or left at RF_NET_LINK_NONE where it cannot know. */
enum rf_net_link { RF_NET_LINK_NONE, RF_NET_LINK_DOWN, RF_NET_LINK_UP };

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

/* rf_net_info.features */
#define RF_NET_HAS_TX_CSUM 0x01u
#define RF_NET_HAS_RX_CSUM 0x02u
#define RF_NET_HAS_TSO4    0x04u
#define RF_NET_HAS_TSO6    0x08u
#define RF_NET_HAS_VLAN    0x10u /* insertion and stripping */
#define RF_NET_HAS_LINK    0x20u /* tells its link state; without it the link counts as up */
#define RF_NET_HAS_SG      0x40u /* RF_NET_MORE in tx */
/* With gso the device adds lengths itself: the service then leaves the IPv4 total length,
 * the IPv6 payload length and the IPv4 header checksum 0, and the length out of the pseudo
 * header's sum (Intel's TCP segmentation). */
#define RF_NET_TSO_NO_LENGTH 0x80u
/* Received frames may be glued (rf_net_frame.gso). No device of ours is asked to. */
#define RF_NET_HAS_RX_GSO 0x100u

/* The interface as the device process found it. */
struct rf_net_info {
	uint8_t  mac[6];
	uint16_t mtu;       /* most bytes behind the Ethernet header, without a VLAN tag */
	uint32_t features;  /* RF_NET_HAS_* */
	uint32_t rx_buffer; /* bytes of one receive buffer: a power of two, 2048 to 32768 */
	uint32_t rx_count;  /* receive buffers of one half, 64 to RF_NET_DEPTH */
	uint32_t tx_max;    /* most bytes of a frame to send, with segmentation, at most 65535 */
	uint32_t link;      /* enum rf_net_link at bring-up; later the channel's is newer */
	uint32_t speed;     /* Mbit/s, 0: unknown */
};

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
