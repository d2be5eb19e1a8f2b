/* SPDX-License-Identifier: MIT */
/*
 * net_types.h - a network interface and the frames that go through it.
 *
 * Room:   sandbox/abi, compiled into both sides of the fence, and part of libringfence: it
 *         compiles alone, as C11 and as C++.
 * Units:  bytes, but for places in the arena.
 */
#ifndef RF_NET_TYPES_H
#define RF_NET_TYPES_H

#include <stdint.h>

/* Slots of each ring: most records that are under way. */
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

/* Devices have so many bits for these: 7 for what lies before the IP header (82576), 8 for
 * the checksum's place and for all headers (82574). The service sends nothing beyond. */
#define RF_NET_L3_MOST 127u

/* NONE where a driver cannot know. */
enum rf_net_link { RF_NET_LINK_NONE, RF_NET_LINK_DOWN, RF_NET_LINK_UP };

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

#endif
