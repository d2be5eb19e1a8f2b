/* SPDX-License-Identifier: MIT */
/*
 * segment.c - TCP segmentation in software (RFC 9293), for frames whose headers are longer
 * than a device can be told: IPv6 with extension headers.
 *
 * Room:   net/export/tap, trusted.
 * Trust:  the kernel made the frame, but a device may have changed it in the arena: it is
 *         copied first, and every offset is checked in the copy.
 */
#include <linux/if_ether.h>
#include <string.h>

#include "tap.h"

#define IP6_BYTES  40u /* RFC 8200, 3 */
#define IP6_LENGTH 4u
#define TCP_BYTES  20u /* RFC 9293, 3.1 */
#define TCP_SEQ    4u
#define TCP_FLAGS  13u
#define TCP_CHECK  16u
#define FIN_PSH    0x09u /* of the last segment only */
#define CWR        0x80u /* of the first one only: RFC 3168, 6.1.2 */

static uint32_t segment_get(const unsigned char *at, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | *at++;
	return value;
}

static void segment_put(unsigned char *at, uint32_t value, unsigned bytes)
{
	while (bytes--)
		*at++ = (unsigned char)(value >> 8 * bytes);
}

bool tap_segments_begin(struct tap_segments *s, const struct virtio_net_hdr *h,
			const unsigned char *frame, uint32_t length, uint32_t mtu)
{
	s->length = s->at = 0;
	if (length > sizeof(s->frame) || length < ETH_HLEN ||
	    h->gso_type != VIRTIO_NET_HDR_GSO_TCPV6 || h->csum_offset != TCP_CHECK ||
	    h->csum_start + TCP_BYTES > length)
		return false;
	memcpy(s->frame, frame, length);
	s->l3 = tap_l3_start(s->frame, length);
	s->l4 = h->csum_start;
	s->headers = s->l4 + (s->frame[s->l4 + 12] >> 4 << 2);
	s->payload = h->gso_size;
	if (!s->l3 || s->l3 + IP6_BYTES > s->l4 || s->frame[s->l3] >> 4 != 6 ||
	    s->headers < s->l4 + TCP_BYTES || s->headers >= length || s->payload < TAP_LEAST ||
	    s->headers - s->l3 + s->payload > mtu)
		return false;
	s->length = length;
	s->at = s->headers;
	return true;
}

/* The field holds the pseudo header's sum with the whole frame's length: ones' complement. */
static void check(const struct tap_segments *s, unsigned char *to, uint32_t payload)
{
	unsigned char *field = to + s->l4 + TCP_CHECK;
	uint32_t whole = s->length - s->l4, own = s->headers - s->l4 + payload;
	uint32_t sum = segment_get(field, 2) + (uint16_t)~whole + own;

	sum = (sum & 0xffff) + (sum >> 16);
	segment_put(field, (sum & 0xffff) + (sum >> 16), 2);
	rf_net_sum_fill(to, s->headers + payload, s->l4, TCP_CHECK);
}

uint32_t tap_segments_next(struct tap_segments *s, unsigned char *to)
{
	uint32_t left = s->length - s->at, payload = left < s->payload ? left : s->payload;
	uint32_t sent = s->at - s->headers;
	unsigned char *flags = to + s->l4 + TCP_FLAGS;

	if (!left)
		return 0;
	memcpy(to, s->frame, s->headers);
	memcpy(to + s->headers, s->frame + s->at, payload);
	s->at += payload;
	segment_put(to + s->l3 + IP6_LENGTH, s->headers - s->l3 - IP6_BYTES + payload, 2);
	segment_put(to + s->l4 + TCP_SEQ, segment_get(s->frame + s->l4 + TCP_SEQ, 4) + sent, 4);
	if (sent)
		*flags &= (unsigned char)~CWR;
	if (payload < left)
		*flags &= (unsigned char)~FIN_PSH;
	check(s, to, payload);
	return s->headers + payload;
}
