/* SPDX-License-Identifier: MIT */
/*
 * fuzz_lwip.c - the stack against a network that sends anything, over IPv4 and IPv6.
 *
 * Room:   tests/fuzz. Input: frames, each behind three bytes: flags, then a length of 11 bits
 *           bit 7   it is made right first where that only stops it: addresses, lengths,
 *                   checksums; and the numbers of a TCP segment are those of its connection,
 *                   plus what the input says, so that the edges of windows are reached
 *           bit 6   time goes on by a second
 *           bit 5   to port 81, whose owner reads nothing, instead of 80
 *           bit 4   a Packet Too Big quotes a segment in flight
 *           bit 2   before it, the oldest connection's window is filled but for 3,000 bytes
 *           bit 3   owners of port 81 read now
 * Judged: by the sanitizers, and by lwIP's own assertions, which end the process.
 */
#include <string.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/stream.c"

#include "tests/unit/lwip_wire.h"

#define IS_MENDED 0x80u
#define IS_LATER  0x40u
#define TO_SILENT 0x20u
#define QUOTES    0x10u
#define READS     0x08u
#define FILLS     0x04u
#define LEFT      3000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t us6[16] = { 0xfd, [15] = 2 }, them6[16] = { 0xfd, [15] = 1 },
		     router6[16] = { 0xfe, 0x80, [15] = 1 };
static bool reading; /* port 81's owners do */

static void wire_sent(const uint8_t *frame, uint32_t length)
{
	(void)frame;
	(void)length;
}

static void swallow(struct stream *s, void *owner)
{
	struct iovec piece[2];
	int n = owner && !reading ? 0 : stream_peek(s, piece);

	for (int i = 0; i < n; i++) {
		stream_write(s, piece[i].iov_base, piece[i].iov_len);
		stream_consume(s, piece[i].iov_len);
	}
	if (s->error || stream_at_end(s))
		stream_close(s);
}

static bool takes(struct stream *s, void *arg)
{
	static const char greeting[3000];

	s->owner = arg;
	s->event = swallow;
	stream_write(s, greeting, sizeof(greeting)); /* something is in flight from the start */
	return true;
}

static bool anybody(const ip_addr_t *peer, void *arg)
{
	(void)peer;
	(void)arg;
	return true;
}

static void open_stack(void)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC,
					   .bits4 = 24,
					   .address4 = { 10, 0, 0, 2 },
					   .mode6 = RF_LWIP_STATIC };

	memcpy(c.address6, us6, 16);
	stack_init();
	stream_init();
	stack_open(&stack, &wire, &c);
	netif_set_ip6_autoconfig_enabled(&stack.netif, 1);
	stream_listen(NULL, 80, anybody, takes, NULL);
	stream_listen(NULL, 81, anybody, takes, &reading);
	/* An answer to a question it never had: so it knows where to send its own to. */
	static const uint8_t arp[] = { 2,  0, 0, 0, 0, 2, 2, 0, 0, 0, 0,  1, 8, 6,
				       0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0, 0, 1,
				       10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };
	frame_in(&stack, arp, sizeof(arp), false);
	for (int i = 0; i < 8; i++) /* its IPv6 address is tested */
		wire_wait(1000);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = lwip_htonl(v);
	memcpy(p, &v, 4);
}

static uint32_t get32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return lwip_ntohl(v);
}

/* Sums of the segment or message at l4, with its pseudo header. */
static void mend_sum(uint8_t *at, const uint8_t *addresses, uint32_t bytes, uint8_t proto,
		     const uint8_t *l4, uint32_t n)
{
	memset(at, 0, 2);
	wire_sum(at, rf_checksum(addresses, (int)bytes) + proto * 256u + lwip_htons((uint16_t)n) +
		 rf_checksum(l4, (int)n));
}

static void mend_tcp(uint8_t *t, bool six, uint32_t head)
{
	t[2] = 0;
	t[3] = head & TO_SILENT ? 81 : 80;
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (IP_IS_V6_VAL(pcb->remote_ip) != six || pcb->remote_port != (t[0] << 8 | t[1]) ||
		    pcb->local_port != t[3])
			continue;
		/* 16 bits reach over every edge of a window of 64 KiB. */
		put32(t + 4, pcb->rcv_nxt + (uint32_t)((int32_t)(get32_at(t + 4) << 8) / 256));
		put32(t + 8, pcb->snd_nxt + (uint32_t)(int16_t)get32_at(t + 8));
		return;
	}
}

static void mend_quote(uint8_t *p, uint32_t n)
{
	struct tcp_pcb *pcb = tcp_active_pcbs;

	if (!pcb || !IP_IS_V6_VAL(pcb->remote_ip) || n < 8 + 48)
		return;
	p[8 + 6] = 6;
	memcpy(p + 16, ip_2_ip6(&pcb->local_ip)->addr, 16);
	memcpy(p + 32, ip_2_ip6(&pcb->remote_ip)->addr, 16);
	p[48] = (uint8_t)(pcb->local_port >> 8);
	p[49] = (uint8_t)pcb->local_port;
	p[50] = (uint8_t)(pcb->remote_port >> 8);
	p[51] = (uint8_t)pcb->remote_port;
	put32(p + 52, pcb->lastack);
	memset(p + 4, 0, 2); /* an MTU of 16 bits */
}

static void mend4(uint8_t *f, uint32_t length, uint32_t head)
{
	uint32_t ihl = (f[14] & 15u) * 4, total = length - 14;

	if (f[14] >> 4 != 4 || ihl < 20 || 14 + ihl + 20 > length)
		return;
	f[16] = (uint8_t)(total >> 8);
	f[17] = (uint8_t)total;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	memset(f + 24, 0, 2);
	wire_sum(f + 24, rf_checksum(f + 14, (int)ihl));
	uint8_t *l4 = f + 14 + ihl;
	uint32_t n = total - ihl;
	if ((f[20] & 0x3f) || f[21])
		return; /* a fragment */
	if (f[23] == 6) {
		mend_tcp(l4, false, head);
		mend_sum(l4 + 16, f + 26, 8, 6, l4, n);
	} else if (f[23] == 1) {
		memset(l4 + 2, 0, 2);
		wire_sum(l4 + 2, rf_checksum(l4, (int)n));
	} else if (f[23] == 17) {
		memset(l4 + 6, 0, 2);
	}
}

static void mend6(uint8_t *f, uint32_t length, uint32_t head)
{
	uint32_t n = length - 54;
	uint8_t *p = f + 54;
	bool router = f[20] == 58 && p[0] == 134;

	f[14] = 0x60;
	f[18] = (uint8_t)(n >> 8);
	f[19] = (uint8_t)n;
	f[21] = 255;
	memcpy(f + 22, router ? router6 : them6, 16);
	memcpy(f + 38, us6, 16);
	if (f[20] == 6 && n >= 20) {
		mend_tcp(p, true, head);
		mend_sum(p + 16, f + 22, 32, 6, p, n);
	} else if (f[20] == 58 && n >= 8) {
		if (head & QUOTES && p[0] == 2)
			mend_quote(p, n);
		if (p[0] >= 133 && p[0] <= 137)
			p[1] = 0;
		mend_sum(p + 2, f + 22, 32, 58, p, n);
	} else if (f[20] == 17 && n >= 8) {
		mend_sum(p + 6, f + 22, 32, 17, p, n);
	}
}

/* Makes a frame one for us that is checksummed right, whatever else it says. */
static void mend(uint8_t *f, uint32_t length, uint32_t head)
{
	static const uint8_t ends[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };

	memcpy(f, ends, 12);
	if (length >= 54 && f[12] == 8 && !f[13])
		mend4(f, length, head);
	else if (length >= 62 && f[12] == 0x86 && f[13] == 0xdd)
		mend6(f, length, head);
}

static void read_all(void)
{
	reading = true;
	for (struct stream *s = streams; s < streams + RF_LWIP_STREAMS; s++)
		if (s->used)
			stream_note(s);
	stream_run();
	reading = false;
}

/* In-order segments, as many as a hundred inputs could not hold. */
static void fill_window(void)
{
	for (int i = 0; i < 100 && tcp_active_pcbs; i++) {
		struct tcp_pcb *pcb = tcp_active_pcbs;
		bool six = IP_IS_V6_VAL(pcb->remote_ip);
		uint32_t head = six ? 54 : 34, n = pcb->rcv_wnd > LEFT ? pcb->rcv_wnd - LEFT : 0;
		uint8_t f[1514] = { [12] = six ? 0x86 : 8, six ? 0xdd : 0, 0x45 };

		if (!n || pcb->state != ESTABLISHED)
			return;
		n = n > 1440 ? 1440 : n;
		f[six ? 20 : 23] = 6;
		f[head] = (uint8_t)(pcb->remote_port >> 8);
		f[head + 1] = (uint8_t)pcb->remote_port;
		f[head + 12] = 0x50;
		f[head + 13] = 0x10;
		f[head + 14] = 0xff;
		mend(f, head + 20 + n, pcb->local_port == 81 ? TO_SILENT : 0);
		wire_frame(f, head + 20 + n);
		stream_run();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool open;

	if (!open)
		open_stack();
	open = true;
	while (size > 3) {
		uint32_t head = data[0], length = ((uint32_t)data[1] << 8 | data[2]) & 0x7ff;
		uint8_t copy[0x800];

		data += 3;
		size -= 3;
		if (length > size)
			length = (uint32_t)size;
		memcpy(copy, data, length);
		data += length;
		size -= length;
		if (head & FILLS)
			fill_window();
		if (head & IS_MENDED && length >= 14)
			mend(copy, length, head);
		if (head & IS_LATER)
			clock_ns += 1000000000;
		wire_frame(copy, length);
		stream_run();
		if (head & READS)
			read_all();
		stack_tick(&stack);
	}
	/* What is left of this input must not stay in the way of the next one. */
	while (tcp_active_pcbs)
		tcp_abort(tcp_active_pcbs);
	stream_run();
	stream_run();
	return 0;
}
