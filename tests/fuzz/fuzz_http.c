/* SPDX-License-Identifier: MIT */
/*
 * fuzz_http.c - the status page's server against clients that send anything, in any pieces,
 * and read as slowly as they like.
 *
 * Room:   tests/fuzz. Input: a byte of length, a byte of what the client takes (in 256 bytes;
 *         0: it breaks, 255: it ends), that many bytes of it; again and again.
 * Judged: by the sanitizers; a page is given back once, nothing is left open, and an answer
 *         is as long as it says.
 */
#include "quiet_log.h"

#include "sandbox/proto/histogram.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/status.c"
#include "net/export/lwip/http.c"

#include "tests/unit/lwip_streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rf_lwip_service lines[] = {
	{ .job = RF_LWIP_STATUS, .listen = { .kind = RF_LWIP_STACK, .any = 1, .port = 80 } },
	{ .job = RF_LWIP_FORWARD, .listen = { .kind = RF_LWIP_UNIX, .name = "/run/<a&b>" },
	  .target = { .kind = RF_LWIP_STACK, .port = 9, .name = "host.test" } },
};
static struct service services[] = { { .config = &lines[0] }, { .config = &lines[1], .index = 1 } };
static struct link wire = { .mac = { 2, 0, 0, 0, 0, 2 }, .mtu = 1500, .known = true, .up = true };
static struct stack stack = { .link = &wire };
static struct lwip_disk disk = { .count = 1, .exports[0].export.name = "disk0" };
static struct status shown = { .stack = &stack, .services = services, .service_count = 2,
				.disks = &disk, .disk_count = 1 };

struct rf_stats_service *rf_blk_stats(struct rf_blk *s)
{
	static struct rf_stats_service stats;

	(void)s;
	return &stats;
}

/* No segment comes here. */
err_t rf_lwip_segment(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	(void)pcb;
	(void)h;
	return ERR_VAL;
}

static void check_answer(void)
{
	char *body_at, *length;

	if (!stream_out_length)
		return;
	RF_BUG_ON(stream_out_length >= sizeof(stream_out));
	stream_out[stream_out_length] = '\0';
	RF_BUG_ON(strncmp(stream_out, "HTTP/1.1 ", 9));
	body_at = strstr(stream_out, "\r\n\r\n");
	length = strstr(stream_out, "Content-Length: ");
	RF_BUG_ON(!body_at || !length || length > body_at);
	size_t told = strtoul(length + 16, NULL, 10), came = strlen(body_at + 4);
	RF_BUG_ON(came != (asked_for_head(&pages[0]) ? 0 : told));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream *s = stream_fresh();
	bool whole = true;

	http_init(&shown);
	s->connected = true;
	RF_BUG_ON(!http_accept(s, &services[0]));
	while (stream_open && size >= 2) {
		size_t length = data[0];
		uint8_t takes = data[1];

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		stream_feed(data, length);
		stream_takes += takes * 256u;
		s->error = takes ? 0 : -ECONNRESET;
		whole &= takes != 0;
		s->finished |= takes == 255;
		s->event(s, s->owner);
		data += length;
		size -= length;
	}
	if (stream_open) { /* the client takes all there is, or its time is up */
		stream_takes = sizeof(stream_out);
		s->event(s, s->owner);
	}
	if (stream_open) {
		whole = false;
		http_tick(clock_ns + LIMIT_NS + 1);
	}
	RF_BUG_ON(stream_open || services[0].active);
	if (whole)
		check_answer();
	return 0;
}
