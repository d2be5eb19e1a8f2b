/* SPDX-License-Identifier: MIT */
/*
 * tap.h - rf-tap: frames between the net service and an interface of the kernel.
 *
 * Room:   net/export/tap, trusted, unprivileged.
 * TAP:    RF_EXPORT_FD_LISTEN, opened, named and made persistent by the supervisor with
 *         IFF_TAP | IFF_NO_PI | IFF_VNET_HDR: each frame has a struct virtio_net_hdr ahead.
 *         The supervisor and the keeper hold it too, so that the interface stays as it is
 *         over the death of this process.
 * Copies: the kernel's own, between its buffers and the arena; none of ours.
 */
#ifndef RF_TAP_H
#define RF_TAP_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "net_service.h"
#include "net_types.h"

#define TAP_BATCH 64u /* most frames each way a turn */

#define TAP_HEADERS 256u /* of a glued frame: so many bytes hold all headers, or it is refused */
#define TAP_LEAST   48u  /* bytes of a segment: RFC 879 and the longest options; fewer make
                            thousands of segments of a frame */

/*
 * vnet.c: a received frame's header as the kernel wants it. `head` are the frame's first
 * bytes, `bytes` (at most TAP_HEADERS) of them, copied out: what a record says of a glued
 * frame is believed if the frame itself says so. False: it does not; drop it.
 */
bool tap_header_in(struct virtio_net_hdr *, const struct rf_net_frame *, const unsigned char *head,
		   uint32_t bytes);

enum tap_out {
	TAP_REFUSED, /* no device of ours could send it */
	TAP_DEVICE,  /* the record says it all */
	TAP_SUMMED,  /* the same, and its checksum was filled in here */
	TAP_SEGMENT, /* its headers are too long for a device: segment.c */
};
/*
 * vnet.c: what the kernel says of a frame to send, as a record. `frame` is the service's own
 * view of it, `length` its bytes.
 */
enum tap_out tap_header_out(struct rf_net_frame *, const struct virtio_net_hdr *,
			    unsigned char *frame, uint32_t length, uint32_t features);
/* Where the IP header begins, behind a tag if there is one; 0: it is not IP. `length` is
 * ETH_HLEN or more. */
uint8_t tap_l3_start(const unsigned char *frame, uint32_t length);

/*
 * segment.c: an IPv6 frame longer than the wire takes, cut in software. IPv4's headers always
 * fit what a device can be told.
 */
struct tap_segments {
	unsigned char frame[65536]; /* a copy: all of its own */
	/* bytes of it; the first one not sent yet, length: none is left */
	uint32_t length, at;
	uint32_t headers, l3, l4;   /* bytes, and where they begin */
	uint16_t payload;           /* bytes of a segment */
};
/* False: it is no TCP over IPv6, or its headers do not fit a segment of `mtu` bytes. */
bool tap_segments_begin(struct tap_segments *, const struct virtio_net_hdr *,
			const unsigned char *frame, uint32_t length, uint32_t mtu);
/* The next segment, checksum and all, to `to`, which has room for ETH_HLEN + 4 + mtu bytes.
 * Bytes of it; 0: none is left. */
uint32_t tap_segments_next(struct tap_segments *, unsigned char *to);

/* TUNSETOFFLOAD's argument: what the kernel may leave to a device with these features. */
unsigned tap_offload(uint32_t features);

#endif
