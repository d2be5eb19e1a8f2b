/* SPDX-License-Identifier: MIT */
/*
 * vnet.c - the kernel's header of a frame (virtio 1.2, 5.1.6) and our records.
 *
 * Room:   net/tap, trusted.
 * Trust:  records given to tap_header_in() were checked by the service. What
 *         tap_header_out() reads of a frame the device may have changed: it ends in a
 *         record whose offsets the service checks against the frame's length.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <string.h>

#include "tap.h"

#define TCP_CHECK 16u /* RFC 9293, 3.1: offset of the checksum */

void tap_header_in(struct virtio_net_hdr *h, const struct rf_net_frame *f)
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
		return;
	h->gso_type = f->gso == RF_NET_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = f->gso_size;
	h->hdr_len = (uint16_t)(f->csum_start + (f->l4_bytes ? f->l4_bytes : 20));
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

/* Where the IP header begins, behind a tag if there is one; 0: it is not IP. */
static uint8_t l3_start(const unsigned char *frame, uint32_t length)
{
	uint32_t at = ETH_HLEN;
	uint32_t type = (uint32_t)frame[12] << 8 | frame[13];

	if (type == ETH_P_8021Q && length >= ETH_HLEN + 4) {
		type = (uint32_t)frame[16] << 8 | frame[17];
		at += 4;
	}
	return type == ETH_P_IP || type == ETH_P_IPV6 ? (uint8_t)at : 0;
}

bool tap_header_out(struct rf_net_frame *f, const struct virtio_net_hdr *h, unsigned char *frame,
		    uint32_t length, uint32_t features)
{
	if (length < ETH_HLEN || length > UINT16_MAX)
		return false;
	*f = (struct rf_net_frame){ .at = f->at, .length = (uint16_t)length };
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	if ((uint32_t)h->csum_start + h->csum_offset + 2 > length)
		return false;
	if (!(features & RF_NET_HAS_TX_CSUM) || h->csum_start > UINT8_MAX || h->csum_offset > UINT8_MAX) {
		/* Behind so many extension headers no device finds it. */
		rf_net_sum_fill(frame, length, h->csum_start, h->csum_offset);
		return h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	}
	f->flags = RF_NET_CSUM;
	f->csum_start = (uint8_t)h->csum_start;
	f->csum_offset = (uint8_t)h->csum_offset;
	f->l3_start = l3_start(frame, length);
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	/* Nothing else was offered. */
	if ((h->gso_type != VIRTIO_NET_HDR_GSO_TCPV4 && h->gso_type != VIRTIO_NET_HDR_GSO_TCPV6) ||
	    h->csum_offset != TCP_CHECK || f->csum_start + 20u > length)
		return false;
	f->gso = h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? RF_NET_GSO_TCP4 : RF_NET_GSO_TCP6;
	f->gso_size = h->gso_size;
	f->l4_bytes = (uint8_t)(frame[f->csum_start + 12] >> 4 << 2);
	return true;
}
