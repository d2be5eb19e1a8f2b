/* SPDX-License-Identifier: MIT */
/*
 * vnet.c - the kernel's header of a frame (virtio 1.2, 5.1.6) and our records.
 *
 * Room:   net/export/tap, trusted.
 * Trust:  records given to tap_header_in() were checked by the service as far as it knows
 *         them: it reads no frame. The bytes are checked here, in a copy. What tap_header_out()
 *         reads of a frame the device may have changed: it ends in a record whose offsets the
 *         service checks against the frame's length.
 */
#include <linux/if_ether.h>
#include <linux/if_tun.h>

#include "tap.h"

#define TCP_CHECK 16u /* RFC 9293, 3.1: offset of the checksum */
#define TCP_BYTES 20u /* the same: without options */
#define IP6_BYTES 40u /* RFC 8200, 3 */
#define IP_TCP    6u

/* Does the transport header of a TCP segment begin at `l4`, by the frame's own account? */
static bool is_tcp(const unsigned char *head, uint32_t l3, uint32_t l4, bool ip6)
{
	const unsigned char *ip = head + l3;
	uint32_t type = (uint32_t)ip[-2] << 8 | ip[-1];

	if (ip6)
		return type == ETH_P_IPV6 && ip[0] >> 4 == 6 && l4 == l3 + IP6_BYTES &&
		       ip[6] == IP_TCP;
	return type == ETH_P_IP && ip[0] >> 4 == 4 && (ip[0] & 15) >= 5 &&
	       l4 == l3 + 4u * (ip[0] & 15) && ip[9] == IP_TCP && !(ip[6] & 0x3f) && !ip[7];
}

/* Bytes of all headers; 0: it is not what the record says. */
static uint32_t glued_headers(const struct rf_net_frame *f, const unsigned char *head,
			      uint32_t bytes)
{
	uint32_t l3 = tap_l3_start(head, bytes), l4 = f->csum_start;

	if (!l3 || l3 + IP6_BYTES > bytes || l4 + TCP_BYTES > bytes ||
	    f->csum_offset != TCP_CHECK || f->gso_size < TAP_LEAST ||
	    !is_tcp(head, l3, l4, f->gso == RF_NET_GSO_TCP6))
		return 0;
	uint32_t tcp = head[l4 + 12] >> 4 << 2;
	return tcp >= TCP_BYTES && l4 + tcp <= bytes ? l4 + tcp : 0;
}

bool tap_header_in(struct virtio_net_hdr *h, const struct rf_net_frame *f,
		   const unsigned char *head, uint32_t bytes)
{
	*h = (struct virtio_net_hdr){ 0 };
	if (f->flags & RF_NET_CSUM) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = f->csum_start;
		h->csum_offset = f->csum_offset;
	} else if (f->flags & RF_NET_CSUM_OK) {
		h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (!f->gso)
		return true;
	h->gso_type =
		f->gso == RF_NET_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = f->gso_size;
	h->hdr_len = (uint16_t)glued_headers(f, head, bytes);
	return h->hdr_len != 0;
}

unsigned tap_offload(uint32_t features)
{
	unsigned offload = 0;

	if (!(features & RF_NET_HAS_TX_CSUM))
		return 0;
	offload = TUN_F_CSUM;
	if (features & RF_NET_HAS_TSO4)
		offload |= TUN_F_TSO4;
	if (features & RF_NET_HAS_TSO6)
		offload |= TUN_F_TSO6;
	return offload;
}

uint8_t tap_l3_start(const unsigned char *frame, uint32_t length)
{
	uint32_t at = ETH_HLEN;
	uint32_t type = (uint32_t)frame[12] << 8 | frame[13];

	if (type == ETH_P_8021Q && length >= ETH_HLEN + 4) {
		type = (uint32_t)frame[16] << 8 | frame[17];
		at += 4;
	}
	return type == ETH_P_IP || type == ETH_P_IPV6 ? (uint8_t)at : 0;
}

/* Has a device the bits to be told where it is? */
static bool within_reach(const struct virtio_net_hdr *h, uint32_t headers)
{
	return (uint32_t)h->csum_start + h->csum_offset <= UINT8_MAX && headers <= UINT8_MAX;
}

/* A frame longer than the wire takes. */
static enum tap_out segmented_out(struct rf_net_frame *f, const struct virtio_net_hdr *h,
				  const unsigned char *frame, uint32_t length)
{
	/* Nothing else was offered. */
	if ((h->gso_type != VIRTIO_NET_HDR_GSO_TCPV4 && h->gso_type != VIRTIO_NET_HDR_GSO_TCPV6) ||
	    h->csum_offset != TCP_CHECK || h->csum_start + TCP_BYTES > length)
		return TAP_REFUSED;
	uint32_t l4_bytes = frame[h->csum_start + 12] >> 4 << 2;
	if (!within_reach(h, h->csum_start + l4_bytes))
		return TAP_SEGMENT;
	f->gso = h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? RF_NET_GSO_TCP4 : RF_NET_GSO_TCP6;
	f->gso_size = h->gso_size;
	f->l4_bytes = (uint8_t)l4_bytes;
	return TAP_DEVICE;
}

enum tap_out tap_header_out(struct rf_net_frame *f, const struct virtio_net_hdr *h,
			    unsigned char *frame, uint32_t length, uint32_t features)
{
	bool whole = h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	enum tap_out out = TAP_DEVICE;

	if (length < ETH_HLEN || length > UINT16_MAX)
		return TAP_REFUSED;
	*f = (struct rf_net_frame){ .at = f->at, .length = (uint16_t)length };
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return whole ? TAP_DEVICE : TAP_REFUSED;
	if ((uint32_t)h->csum_start + h->csum_offset + 2 > length)
		return TAP_REFUSED;
	if (!whole)
		out = segmented_out(f, h, frame, length);
	if (out != TAP_DEVICE)
		return out;
	if (!(features & RF_NET_HAS_TX_CSUM) || !within_reach(h, 0)) {
		/* Behind so many extension headers no device finds it. */
		rf_net_sum_fill(frame, length, h->csum_start, h->csum_offset);
		return whole ? TAP_SUMMED : TAP_REFUSED;
	}
	f->flags = RF_NET_CSUM;
	f->csum_start = (uint8_t)h->csum_start;
	f->csum_offset = (uint8_t)h->csum_offset;
	f->l3_start = tap_l3_start(frame, length);
	return TAP_DEVICE;
}
