/* SPDX-License-Identifier: MIT */
/*
 * lwip.c - what a TCP segment costs: both ends of one connection in one process.
 *
 *   bench-lwip SEGMENTS
 *
 * Room:   tests/bench, linked with the stack as it ships.
 * Counts: writing into a stream, the segment, its checksum, the frame copied out, copied
 *         in, checked, copied into the other stream's ring, given back; and the same way
 *         back for the acknowledgements. No driver, no system call but the clock's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"

#include "log.h"
#include "mark.h"
#include "stack.h"
#include "stream.h"

#define SLOTS 512u
#define CHUNK 65536u
#define STRIDE 1021u

struct wire {
	struct link  link;
	struct wire *peer;
	uint32_t     head, tail;
	uint16_t     length[SLOTS];
	uint8_t      frame[SLOTS][1600];
};

static struct wire wire[2];
static struct stack stack[2];
static uint64_t read_bytes, read_sum;
static uint8_t data[CHUNK];

static int receive(struct link *link, link_frame *frame, void *arg, int most)
{
	struct wire *w = (struct wire *)link;
	int n = 0;

	for (; n < most && w->head != w->tail; n++, w->head++)
		frame(arg, w->frame[w->head % SLOTS], w->length[w->head % SLOTS], false);
	return n;
}

static void *room(struct link *link, uint32_t length)
{
	struct wire *to = ((struct wire *)link)->peer;

	return length <= sizeof(to->frame[0]) && to->tail - to->head < SLOTS ?
	       to->frame[to->tail % SLOTS] : NULL;
}

static void send_now(struct link *link, uint32_t length)
{
	struct wire *to = ((struct wire *)link)->peer;

	to->length[to->tail++ % SLOTS] = (uint16_t)length;
}

static void flush(struct link *link)
{
	(void)link;
}

static const struct link_ops ops = {
	.receive = receive, .room = room, .send = send_now, .flush = flush,
};

static void reads(struct stream *s, void *owner)
{
	struct iovec piece[2];
	int n = stream_peek(s, piece);

	(void)owner;
	if (s->error)
		rf_die(70, "the reader's connection broke: %s", strerror(-s->error));
	for (int i = 0; i < n; i++) {
		/* A byte here and there, so that a connection that delivers rubbish is seen. */
		for (size_t at = (STRIDE - read_bytes % STRIDE) % STRIDE; at < piece[i].iov_len;
		     at += STRIDE)
			read_sum += ((uint8_t *)piece[i].iov_base)[at];
		read_bytes += piece[i].iov_len;
		stream_consume(s, piece[i].iov_len);
	}
}

static bool takes(struct stream *s, void *arg)
{
	(void)arg;
	s->event = reads;
	return true;
}

static bool anybody(const ip_addr_t *peer, void *arg)
{
	(void)peer;
	(void)arg;
	return true;
}

static void writes(struct stream *s, void *owner)
{
	uint64_t *left = owner;
	size_t at, done;

	if (s->error)
		rf_die(70, "the writer's connection broke: %s", strerror(-s->error));
	do {
		at = *left % CHUNK ? CHUNK - *left % CHUNK : 0;
		done = stream_write(s, data + at, *left < CHUNK - at ? *left : CHUNK - at);
		*left -= done;
	} while (done && *left);
}

static void open_end(int i, const char *address)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC,
					   .bits4 = 24,
					   .address4 = { 10, 0, 0 } };

	c.address4[3] = (uint8_t)atoi(address);
	wire[i].peer = &wire[!i];
	wire[i].link = (struct link){ .ops = &ops, .mac = { 2, 0, 0, 0, 0, c.address4[3] },
				      .mtu = 1500, .known = true, .up = true };
	stack_open(&stack[i], &wire[i].link, &c);
}

static void turn(void)
{
	stack_clock();
	for (int i = 0; i < 2; i++) {
		stack_poll(&stack[i]);
		stack_tick(&stack[i]);
		stream_run();
		stack[i].link->ops->flush(stack[i].link);
	}
}

/* lwIP knows a route by destination only, and both ends are in one network: the reader's
 * connections are tied to its interface, the writer's interface is found first. */
static void tie_reader(void)
{
	tcp_listen_pcbs.listen_pcbs->netif_idx = netif_get_index(&stack[1].netif);
}

int main(int argc, char **argv)
{
	uint64_t segments = argc == 2 ? strtoull(argv[1], NULL, 0) : 0;
	uint64_t total = segments * TCP_MSS, left = total, want = 0;
	ip_addr_t reader = IPADDR4_INIT_BYTES(10, 0, 0, 2);

	rf_log_name = "bench-lwip";
	if (!segments)
		rf_die(64, "usage: bench-lwip SEGMENTS");
	for (uint32_t i = 0; i < CHUNK; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	stack_init();
	stream_init();
	open_end(1, "2");
	open_end(0, "1");
	if (stream_listen(&reader, 5000, anybody, takes, NULL))
		rf_die(70, "cannot listen");
	tie_reader();
	struct stream *writer = stream_connect(&reader, 5000, writes, &left);
	if (!writer)
		rf_die(70, "cannot connect");
	while (!writer->connected)
		turn();
	RF_MARK(RF_MARK_BEGIN);
	while (read_bytes < total)
		turn();
	RF_MARK(RF_MARK_END);
	for (uint64_t at = 0; at < total; at += STRIDE)
		want += data[(at + CHUNK - total % CHUNK) % CHUNK];
	if (read_sum != want)
		rf_die(1, "what arrived is not what was sent");
	printf("{\"segments\":%llu,\"frames\":%llu}\n", (unsigned long long)segments,
	       (unsigned long long)(stack[0].link->tx_frames + stack[1].link->tx_frames));
	return 0;
}
