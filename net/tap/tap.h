/* SPDX-License-Identifier: MIT */
/*
 * tap.h - rf-tap: frames between the net service and an interface of the kernel.
 *
 * Room:   net/tap, trusted, unprivileged.
 * TAP:    RF_EXPORT_FD_LISTEN, opened, named and made persistent by the supervisor with
 *         IFF_TAP | IFF_NO_PI | IFF_VNET_HDR: each frame has a struct virtio_net_hdr ahead.
 *         The supervisor and the keeper hold it too, so that the interface stays as it is
 *         over the death of this process.
 * Copies: the kernel's own, between its buffers and the arena; none of ours.
 */
#ifndef RF_TAP_H
#define RF_TAP_H

#include <linux/virtio_net.h>

#include "net_service.h"

#define TAP_BATCH 64u /* most frames each way a turn */

/*
 * vnet.c: a received frame's header as the kernel wants it.
 */
void tap_header_in(struct virtio_net_hdr *, const struct rf_net_frame *);

/*
 * vnet.c: what the kernel says of a frame to send, as a record. `frame` is the service's own
 * view of it, `length` its bytes. False: no device of ours could send it.
 */
bool tap_header_out(struct rf_net_frame *, const struct virtio_net_hdr *, unsigned char *frame,
		    uint32_t length, uint32_t features);

/* TUNSETOFFLOAD's argument: what the kernel may leave to a device with these features. */
unsigned tap_offload(uint32_t features);

#endif
