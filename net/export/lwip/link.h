/* SPDX-License-Identifier: MIT */
/*
 * link.h - where frames come from and go to: the wire under the stack.
 *
 * Room:   net/export/lwip, trusted.
 * Trust:  a received frame may lie in memory that its sender can still write: the stack
 *         copies it once and looks at the copy only.
 * Kinds:  the net service with a driver behind it (link_service.c); an fd that gives and
 *         takes a frame a read and write, such as a TAP (link_fd.c); and whatever a test
 *         makes.
 */
#ifndef RF_LWIP_LINK_H
#define RF_LWIP_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct link;

/* One received frame, behind the Ethernet preamble and without FCS. checked: the device
 * says that the transport checksum is right. */
typedef void link_frame(void *arg, const void *frame, uint32_t length, bool checked);

struct link_ops {
	/* Hands over what was received, `most` frames at the most; number of them. */
	int (*receive)(struct link *, link_frame *, void *arg, int most);
	/* Room for a frame to send, NULL: none now. Then `send` with its length, or nothing. */
	void *(*room)(struct link *, uint32_t length);
	void (*send)(struct link *, uint32_t length);
	/* What was sent since the last flush goes out now. */
	void (*flush)(struct link *);
	/* Before blocking; false: there is work. May be NULL, as `wake` after it. */
	bool (*sleep)(struct link *);
	void (*wake)(struct link *);
	/* Looks at ages; now and then. May be NULL. */
	void (*tick)(struct link *);
};

struct link {
	const struct link_ops *ops;
	uint8_t  mac[6];
	uint16_t mtu;
	bool     known; /* mac and mtu are valid */
	bool     up;    /* there is a carrier */
	/* frames sent before may be gone, later ones are not; stack_tick() clears it */
	bool     renewed;
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_bad;    /* of a length no frame has, or without a buffer to put it in */
	uint64_t tx_full;   /* refused for want of room, sent later or again by TCP */
	uint64_t rx_others; /* for others, of a VLAN, or of a protocol not spoken here */
	uint64_t rx_false;  /* that no honest host sends on this link: see wire.h */
	uint64_t conflicts; /* somebody else used our address */
};

#endif
