/* SPDX-License-Identifier: MIT */
/* stream.c - see stream.h. Room: net/export/lwip, trusted. */
#include "stream.h"

#include <errno.h>
#include <string.h>

#include "hooks.h"
#include "lwip/prot/tcp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwipopts.h"
#include "log.h"
#include "secret.h"
#include "share.h"
#include "wire.h"

_Static_assert((TCP_WND & (TCP_WND - 1)) == 0, "ring indices run free");

struct listener {
	bool (*allow)(const ip_addr_t *, void *);
	stream_accept *accept;
	void *arg;
};

static struct stream streams[RF_LWIP_STREAMS], *free_streams, *noted;
static struct stream *running; /* whose owner is being called */
static struct listener listeners[RF_LWIP_LISTENERS];
static uint32_t used, listening;
static uint64_t refused, evicted;

/* No peer may make this side send segments smaller than any link's (RFC 9293, 3.7.1). */
#define MSS_LEAST 216u
/* Ports tried before a connection is given up. */
#define PORT_TRIES 16

void stream_init(void)
{
	for (int i = RF_LWIP_STREAMS - 1; i >= 0; i--) {
		streams[i].next = free_streams;
		free_streams = &streams[i];
	}
}

uint32_t stream_count(void)
{
	return used;
}

uint64_t stream_refused(void)
{
	return refused;
}

uint64_t stream_evicted(void)
{
	return evicted;
}

void stream_note(struct stream *s)
{
	if (s->noted)
		return;
	s->noted = true;
	s->next = noted;
	noted = s;
}

/* ---- lwIP's side --------------------------------------------------------------------- */

static err_t stream_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct stream *s = arg;

	(void)pcb;
	(void)err;
	stream_note(s);
	if (!p) {
		s->finished = true;
		return ERR_OK;
	}
	/* The window is the room in the ring. */
	RF_BUG_ON(p->tot_len > TCP_WND - (s->tail - s->head));
	for (const struct pbuf *q = p; q; q = q->next) {
		uint32_t at = s->tail % TCP_WND, first = TCP_WND - at;

		if (first > q->len)
			first = q->len;
		memcpy(s->ring + at, q->payload, first);
		memcpy(s->ring, (const uint8_t *)q->payload + first, q->len - first);
		s->tail += q->len;
	}
	pbuf_free(p);
	return ERR_OK;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
	(void)pcb;
	(void)length;
	stream_note(arg);
	return ERR_OK;
}

/* lwIP has freed the connection already. */
static void stream_failed(void *arg, err_t err)
{
	struct stream *s = arg;

	s->pcb = NULL;
	s->error = err == ERR_RST ? (s->connected ? -ECONNRESET : -ECONNREFUSED) :
		   err == ERR_CLSD ? -EPIPE : s->connected ? -ECONNABORTED : -ETIMEDOUT;
	stream_note(s);
}

static err_t stream_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct stream *s = arg;

	(void)err;
	s->connected = true;
	if (pcb->mss < MSS_LEAST)
		pcb->mss = MSS_LEAST;
	stream_note(s);
	return ERR_OK;
}

static struct stream *stream_new(struct tcp_pcb *pcb)
{
	struct stream *s = free_streams;

	if (!s)
		return NULL;
	free_streams = s->next;
	memset(s, 0, offsetof(struct stream, ring));
	s->used = true;
	s->pcb = pcb;
	used++;
	tcp_arg(pcb, s);
	tcp_recv(pcb, stream_received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, stream_failed);
	pcb->so_options |= SOF_KEEPALIVE;
	pcb->keep_idle = 60000;
	tcp_nagle_disable(pcb);
	return s;
}

/* A host gets at most 48 of 64 streams. */
static bool stream_fair(const ip_addr_t *peer)
{
	uint32_t has = 0;

	for (const struct stream *s = streams; s < streams + RF_LWIP_STREAMS; s++)
		has += s->used && s->pcb && share_same_host(&s->pcb->remote_ip, peer);
	return stream_share(has, RF_LWIP_STREAMS - used);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct listener *l = arg;
	struct stream *s;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	if (!stream_fair(&pcb->remote_ip) || !(s = stream_new(pcb))) {
		refused++;
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	s->connected = true;
	if (pcb->mss < MSS_LEAST)
		pcb->mss = MSS_LEAST;
	if (l->accept(s, l->arg)) {
		stream_note(s);
		return ERR_OK;
	}
	s->pcb = NULL; /* aborted here, so that the return value tells lwIP */
	tcp_arg(pcb, NULL);
	tcp_err(pcb, NULL);
	stream_abort(s);
	tcp_abort(pcb);
	return ERR_ABRT;
}

/* ---- before a connection is there ------------------------------------------------------ */

/* A segment for a listener: it need not know of it unless it asks for a connection, from an
 * address that may have one. Nobody else learns that somebody listens. */
static bool knock(const struct tcp_pcb_listen *listener, uint8_t flags)
{
	const struct listener *l = listener->callback_arg;

	/* Allowed peers get a reset, as from any host: their connection is from before our
	 * restart. */
	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return flags & TCP_ACK && l->allow(ip_current_src_addr(), l->arg);
	if (!l->allow(ip_current_src_addr(), l->arg))
		return false;
	bool room = share_room(listener, &evicted);
	refused += !room;
	return room;
}

err_t rf_lwip_segment(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	bool passes = pcb->state == LISTEN ? knock((struct tcp_pcb_listen *)pcb, TCPH_FLAGS(h)) :
		      wire_knows(pcb, h);

	return passes ? ERR_OK : ERR_VAL;
}

/* ---- the owner's side ------------------------------------------------------------------ */

int stream_listen(const ip_addr_t *at, uint16_t port, bool (*allow)(const ip_addr_t *, void *),
		  stream_accept *accept, void *arg)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(at ? IP_GET_TYPE(at) : IPADDR_TYPE_ANY);
	struct listener *l = &listeners[listening];

	if (!pcb || listening == RF_LWIP_LISTENERS) {
		if (pcb)
			tcp_abort(pcb);
		return -ENOBUFS;
	}
	err_t err = tcp_bind(pcb, at ? at : IP_ANY_TYPE, port);
	if (err == ERR_OK) {
		struct tcp_pcb *listener = tcp_listen_with_backlog_and_err(pcb,
						TCP_DEFAULT_LISTEN_BACKLOG, &err);
		if (listener) {
			*l = (struct listener){ .allow = allow, .accept = accept, .arg = arg };
			listening++;
			tcp_arg(listener, l);
			tcp_accept(listener, accepted);
			return 0;
		}
	}
	tcp_abort(pcb);
	return err == ERR_USE ? -EADDRINUSE : err == ERR_MEM ? -ENOBUFS : -EINVAL;
}

/* From a port nobody can foresee (RFC 6056). */
static err_t bind_anywhere(struct tcp_pcb *pcb, const ip_addr_t *to)
{
	err_t err = ERR_USE;

	for (int i = 0; i < PORT_TRIES && err == ERR_USE; i++)
		err = tcp_bind(pcb, IP_IS_V6(to) ? IP6_ADDR_ANY : IP4_ADDR_ANY, secret_port());
	return err;
}

struct stream *stream_connect(const ip_addr_t *to, uint16_t port, stream_event *event, void *owner)
{
	struct tcp_pcb *pcb = free_streams ? tcp_new_ip_type(IP_GET_TYPE(to)) : NULL;

	if (!pcb)
		return NULL;
	struct stream *s = stream_new(pcb);
	s->event = event;
	s->owner = owner;
	if (bind_anywhere(pcb, to) == ERR_OK &&
	    tcp_connect(pcb, to, port, stream_connected) == ERR_OK)
		return s;
	stream_abort(s);
	return NULL;
}

size_t stream_readable(const struct stream *s)
{
	return s->tail - s->head;
}

int stream_peek(struct stream *s, struct iovec piece[2])
{
	uint32_t at = s->head % TCP_WND, length = s->tail - s->head, first = TCP_WND - at;

	if (!length)
		return 0;
	if (first >= length) {
		piece[0] = (struct iovec){ s->ring + at, length };
		return 1;
	}
	piece[0] = (struct iovec){ s->ring + at, first };
	piece[1] = (struct iovec){ s->ring, length - first };
	return 2;
}

void stream_consume(struct stream *s, size_t n)
{
	RF_BUG_ON(n > stream_readable(s));
	s->head += (uint32_t)n;
	for (; n && s->pcb; ) {
		u16_t part = n > 0xffff ? 0xffff : (u16_t)n;

		tcp_recved(s->pcb, part);
		n -= part;
	}
}

bool stream_at_end(const struct stream *s)
{
	return s->finished && s->head == s->tail;
}

size_t stream_room(const struct stream *s)
{
	return s->pcb && s->connected ? tcp_sndbuf(s->pcb) : 0;
}

/* What may fit where `part` bytes did not: less at a time, or the same once memory came back that
 * nobody waits for. 0: an acknowledgement will bring room, and with it an event. */
static u16_t smaller(const struct tcp_pcb *pcb, u16_t part)
{
	if (part > TCP_MSS)
		return part / 2;
	bool own = tcp_sndqueuelen(pcb) + 2u > TCP_SND_QUEUELEN;
	return !own && share_reclaim() ? part : 0;
}

uint32_t stream_place(const struct stream *s)
{
	return s->pcb ? s->pcb->snd_lbb : 0;
}

/* No more than the window is ever under way, so that places of which one is far behind do not
 * meet. */
bool stream_reached(const struct stream *s, uint32_t place)
{
	return s->pcb && TCP_SEQ_GEQ(s->pcb->lastack, place);
}

size_t stream_write(struct stream *s, const void *data, size_t length)
{
	const uint8_t *from = data;
	size_t room = stream_room(s), done = 0;

	if (length > room)
		length = room;
	while (done < length) {
		size_t left = length - done;
		u16_t part = left > 32 * TCP_MSS ? 32 * TCP_MSS : (u16_t)left;

		while (part && tcp_write(s->pcb, from + done, part, TCP_WRITE_FLAG_COPY) != ERR_OK)
			part = smaller(s->pcb, part);
		if (!part)
			break;
		done += part;
	}
	if (done && !s->written) {
		s->written = true;
		if (s != running)
			stream_note(s);
	}
	return done;
}

void stream_shutdown(struct stream *s)
{
	if (s->pcb)
		tcp_shutdown(s->pcb, 0, 1);
}

static void give_back(struct stream *s)
{
	s->used = false;
	s->event = NULL;
	used--;
	/* On the list of noted ones it stays until stream_run() comes past. */
	if (s->noted)
		return;
	s->next = free_streams;
	free_streams = s;
}

void stream_close(struct stream *s)
{
	struct tcp_pcb *pcb = s->pcb;

	s->pcb = NULL;
	if (pcb) {
		tcp_arg(pcb, NULL);
		tcp_recv(pcb, NULL);
		tcp_sent(pcb, NULL);
		tcp_err(pcb, NULL);
		tcp_close(pcb);
	}
	give_back(s);
}

void stream_abort(struct stream *s)
{
	struct tcp_pcb *pcb = s->pcb;

	s->pcb = NULL;
	if (pcb) {
		tcp_arg(pcb, NULL);
		tcp_err(pcb, NULL);
		tcp_abort(pcb);
	}
	give_back(s);
}

bool stream_run(void)
{
	struct stream *list = noted;
	bool any = list;

	noted = NULL;
	while (list) {
		struct stream *s = list;

		list = s->next;
		s->noted = false;
		if (!s->used) {
			s->next = free_streams;
			free_streams = s;
			continue;
		}
		running = s;
		if (s->event)
			s->event(s, s->owner);
		running = NULL;
		if (s->used && s->pcb && s->written) {
			s->written = false;
			tcp_output(s->pcb);
		}
	}
	return any;
}

void stream_host(const struct stream *s, uint8_t key[16])
{
	share_host(&s->pcb->remote_ip, key);
}

bool stream_same_peer(const struct stream *a, const struct stream *b)
{
	return a->pcb && b->pcb && share_same_host(&a->pcb->remote_ip, &b->pcb->remote_ip);
}

const struct stream *stream_next(const struct stream *s)
{
	for (s = s ? s + 1 : streams; s < streams + RF_LWIP_STREAMS; s++)
		if (s->used)
			return s;
	return NULL;
}
