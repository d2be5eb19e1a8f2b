/* SPDX-License-Identifier: MIT */
/*
 * fuzz_socks.c - the SOCKS listener against clients that send anything, while what they want
 * to reach connects, refuses, breaks or never answers.
 *
 * Room:   tests/fuzz. Input: records of a kind (low 3 bits of a byte), a length (high 5; of
 *         kind 0: one more byte) and that many bytes.
 *           0  the client sends this           4  the client sends no more
 *           1  the name is found, or           5  the client is gone
 *              the stream connects
 *           2  it is not, or breaks            6  the stream's peer sends this
 *           3  the stream's peer ends          7  so many ten seconds go by
 * Judged: by the sanitizers; every connection is given back once, with its stream.
 */
#include "quiet_log.h"

#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "lwip/dns.h"
#include "net/export/lwip/join_table.c"
#include "net/export/lwip/proxy.c"
/* Names are resolved when the input says so. */
static dns_found_callback asked;
static void *asked_for;
static err_t resolve(const char *name, ip_addr_t *address, dns_found_callback found, void *arg,
		     u8_t type);
#define dns_gethostbyname_addrtype resolve
#include "net/export/lwip/proxy_connect.c"
#include "net/export/lwip/socks.c"

#include <unistd.h>

#include "tests/unit/lwip_streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No segment comes here. */
err_t rf_lwip_segment(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	(void)pcb;
	(void)h;
	return ERR_VAL;
}

static struct rf_lwip_service line = { .job = RF_LWIP_SOCKS };
static struct service service = { .config = &line };
static int client = -1;

/* The loop: nobody waits; the harness calls whoever wants to read. */
void loop_want(struct loop_watch *w, uint32_t events)
{
	w->events = events;
}

void loop_close(struct loop_watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->events = 0;
}

struct stream *stream_connect(const ip_addr_t *to, uint16_t port, stream_event *event, void *owner)
{
	if (stream_open || !port || ip_addr_isany(to))
		return NULL;
	struct stream *s = stream_fresh();
	s->event = event;
	s->owner = owner;
	return s;
}

static err_t resolve(const char *name, ip_addr_t *address, dns_found_callback found, void *arg,
		     u8_t type)
{
	(void)type;
	if (ipaddr_aton(name, address))
		return ERR_OK;
	if (strlen(name) > 200)
		return ERR_ARG;
	if (asked)
		return ERR_MEM;
	asked = found;
	asked_for = arg;
	return ERR_INPROGRESS;
}

static void resolve_happens(bool good)
{
	dns_found_callback found = asked;
	ip_addr_t address = IPADDR4_INIT_BYTES(10, 0, 0, 1);

	asked = NULL;
	found("name", good ? &address : NULL, asked_for);
}

static void stream_happens(uint32_t kind, const uint8_t *data, size_t length)
{
	struct stream *s = &the_stream;

	if (!stream_open || s->error)
		return;
	s->connected |= kind == 1;
	stream_takes = length * 64;
	if (kind == 2)
		s->error = -ECONNRESET;
	s->finished |= kind == 3 && s->connected;
	if (kind == 6 && s->connected && !s->finished)
		stream_feed(data, length);
	s->event(s, s->owner);
}

static void happens(uint32_t kind, const uint8_t *data, size_t length)
{
	if (!kind && client >= 0)
		(void)!send(client, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (kind == 4 && client >= 0)
		shutdown(client, SHUT_WR);
	else if (kind == 5 && client >= 0) {
		close(client);
		client = -1;
	} else if (kind == 7) {
		clock_ns += length * 10000000000ull;
		proxy_tick(clock_ns);
	} else if (asked && (kind == 1 || kind == 2)) {
		resolve_happens(kind == 1);
	} else {
		stream_happens(kind, data, length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	struct proxy *j;

	RF_BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	client = pair[0];
	j = proxy_new(&service);
	proxy_host(j, pair[1]);
	socks_begin(j);
	while (size && j->state != PROXY_FREE) {
		uint32_t kind = data[0] & 7;
		size_t length = data[0] >> 3;

		data++;
		size--;
		if (!kind && size) {
			length = data[0];
			data++;
			size--;
		}
		if (length > size)
			length = size;
		happens(kind, data, length);
		if (kind == 0 || kind == 6) {
			data += length;
			size -= length;
		}
		if (j->state != PROXY_FREE && j->host.events)
			j->host.call(&j->host);
	}
	if (j->state != PROXY_FREE)
		proxy_drop(j, false);
	if (client >= 0)
		close(client);
	if (asked)
		resolve_happens(true); /* too late: the proxied connection is gone */
	RF_BUG_ON(stream_open || service.active || free_proxies != PROXIES);
	return 0;
}
