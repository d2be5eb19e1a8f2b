/* SPDX-License-Identifier: MIT */
/*
 * fuzz_lwip.c - the stack against a network that sends anything.
 *
 * Room:   tests/fuzz. Input: frames, each behind two bytes of length; with bit 15 of the
 *         length set, addresses, types and checksums are made right first, so that what
 *         lies behind them is reached; time goes on by one second with bit 14.
 * Judged: by the sanitizers, and by lwIP's own assertions, which end the process.
 */
#include <string.h>

#include "sandbox/base/log.c"
#include "sandbox/base/lwip_config.c"
#include "sandbox/base/words.c"
#include "net/lwip/stack.c"
#include "net/lwip/stream.c"

#include "lwip_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wire_sent(const uint8_t *frame, uint32_t length)
{
	(void)frame;
	(void)length;
}

static void swallow(struct stream *s, void *owner)
{
	(void)owner;
	struct iovec piece[2];
	int n = stream_peek(s, piece);

	for (int i = 0; i < n; i++) {
		stream_write(s, piece[i].iov_base, piece[i].iov_len);
		stream_consume(s, piece[i].iov_len);
	}
	if (s->error || stream_at_end(s))
		stream_close(s);
}

static bool takes(struct stream *s, void *arg)
{
	(void)arg;
	s->event = swallow;
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
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC, .bits4 = 24, .address4 = { 10, 0, 0, 2 },
					   .mode6 = RF_LWIP_AUTO };

	stack_init();
	stream_init();
	stack_open(&stack, &wire, &c);
	stream_listen(NULL, 80, anybody, takes, NULL);
	/* An answer to a question it never had: so it knows where to send its own to. */
	static const uint8_t arp[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0,
				       0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };
	frame_in(&stack, arp, sizeof(arp), false);
}

/* Makes a frame one for us that is checksummed right, whatever else it says. */
static void mend(uint8_t *f, uint32_t length)
{
	static const uint8_t head[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	uint32_t ihl = length > 14 ? (f[14] & 15u) * 4 : 0, total;

	memcpy(f, head, 12);
	if (length < 14 + 40 || f[12] != 8 || f[13] || f[14] >> 4 != 4 || ihl < 20 || 14 + ihl + 20 > length)
		return;
	total = length - 14;
	f[16] = (uint8_t)(total >> 8);
	f[17] = (uint8_t)total;
	f[20] &= 0x20; /* no offset, perhaps more fragments */
	f[21] = 0;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	memset(f + 24, 0, 2);
	wire_sum(f + 24, rf_checksum(f + 14, (int)ihl));
	uint8_t *l4 = f + 14 + ihl;
	uint32_t n = total - ihl, pseudo = rf_checksum(f + 26, 8) + (uint32_t)f[23] * 256 + lwip_htons((uint16_t)n);
	if (f[23] == 6) {
		memcpy(l4 + 2, (uint8_t[]){ 0, 80 }, 2);
		memset(l4 + 16, 0, 2);
		wire_sum(l4 + 16, pseudo + rf_checksum(l4, (int)n));
	} else if (f[23] == 1) {
		memset(l4 + 2, 0, 2);
		wire_sum(l4 + 2, rf_checksum(l4, (int)n));
	} else if (f[23] == 17) {
		memset(l4 + 6, 0, 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool open;

	if (!open)
		open_stack();
	open = true;
	while (size > 2) {
		uint32_t head = (uint32_t)data[0] << 8 | data[1], length = head & 0x7ff;
		uint8_t copy[0x800];

		data += 2;
		size -= 2;
		if (length > size)
			length = (uint32_t)size;
		memcpy(copy, data, length);
		data += length;
		size -= length;
		if (head & 0x8000 && length >= 14)
			mend(copy, length);
		if (head & 0x4000)
			clock_ns += 1000000000;
		wire_frame(copy, length);
		stream_run();
		stack_tick(&stack);
	}
	/* What is left of this input must not stay in the way of the next one. */
	while (tcp_active_pcbs)
		tcp_abort(tcp_active_pcbs);
	stream_run();
	stream_run();
	return 0;
}
