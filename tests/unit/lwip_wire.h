/* SPDX-License-Identifier: MIT */
/*
 * lwip_wire.h - the stack with nothing but a harness behind it: frames go in one at a time,
 * and those that come out are shown to wire_sent(), which the harness defines.
 *
 * Room:   tests/unit. Included after net/export/lwip/now.c, whose clock it moves.
 */
#ifndef RF_FUZZ_LWIP_WIRE_H
#define RF_FUZZ_LWIP_WIRE_H

#include <stdlib.h>
#include <string.h>

static struct stack stack;
static const uint8_t *frame_data;
static uint32_t frame_length;
static uint8_t out_frame[16384];
static bool wire_full; /* nothing can be sent */

static void wire_sent(const uint8_t *frame, uint32_t length);

static int wire_receive(struct link *link, link_frame *frame, void *arg, int most)
{
	(void)link;
	(void)most;
	if (!frame_data)
		return 0;
	frame(arg, frame_data, frame_length, false);
	frame_data = NULL;
	return 1;
}

static void *wire_room(struct link *link, uint32_t length)
{
	(void)link;
	return !wire_full && length <= sizeof(out_frame) ? out_frame : NULL;
}

static void wire_send(struct link *link, uint32_t length)
{
	(void)link;
	wire_sent(out_frame, length);
}

static void wire_flush(struct link *link)
{
	(void)link;
}

static const struct link_ops wire_ops = {
	.receive = wire_receive, .room = wire_room, .send = wire_send, .flush = wire_flush
};
static struct link wire = {
	.ops = &wire_ops, .mac = { 2, 0, 0, 0, 0, 2 }, .mtu = 1500, .known = true, .up = true
};

/* One frame into the stack, out of memory that ends where it does. */
static void wire_frame(const uint8_t *frame, uint32_t length)
{
	uint8_t *copy = malloc(length ? length : 1);

	memcpy(copy, frame, length);
	frame_data = copy;
	frame_length = length;
	stack_poll(&stack);
	free(copy);
}

static void wire_wait(uint64_t ms)
{
	clock_ns += ms * 1000000;
	stack_tick(&stack);
}

/* The inverted sum of RFC 1071 to `at`. */
static void wire_sum(uint8_t *at, uint32_t acc)
{
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	uint16_t value = (uint16_t)~acc;
	memcpy(at, &value, 2);
}

#endif
