/* SPDX-License-Identifier: MIT */
/*
 * lwip_streams.h - streams without a stack: what net/export/lwip's protocols call, answered by a
 * harness that decides what comes, what fits, and when a stream breaks.
 *
 * Room:   tests/unit.
 */
#ifndef RF_FUZZ_LWIP_STREAMS_H
#define RF_FUZZ_LWIP_STREAMS_H

#include <string.h>

#include "log.h"
#include "stream.h"

static struct stream the_stream;
static bool   stream_open;    /* its owner has not given it back */
static size_t stream_takes;   /* bytes it still takes */
static char   stream_out[65536]; /* what was written */
static size_t stream_out_length;

static struct stream *stream_fresh(void)
{
	memset(&the_stream, 0, offsetof(struct stream, ring));
	the_stream.used = true;
	stream_open = true;
	stream_out_length = 0;
	return &the_stream;
}

/* Bytes of the peer; what does not fit its window it would not send. */
static void stream_feed(const uint8_t *data, size_t length)
{
	struct stream *s = &the_stream;

	for (size_t i = 0; i < length && s->tail - s->head < TCP_WND; i++)
		s->ring[s->tail++ % TCP_WND] = data[i];
}

size_t stream_readable(const struct stream *s)
{
	return s->tail - s->head;
}

int stream_peek(struct stream *s, struct iovec piece[2])
{
	uint32_t at = s->head % TCP_WND, length = s->tail - s->head, first = TCP_WND - at;

	RF_BUG_ON(!stream_open);
	piece[0] = (struct iovec){ s->ring + at, first < length ? first : length };
	piece[1] = (struct iovec){ s->ring, first < length ? length - first : 0 };
	return !length ? 0 : first < length ? 2 : 1;
}

void stream_consume(struct stream *s, size_t n)
{
	RF_BUG_ON(!stream_open || n > stream_readable(s));
	s->head += (uint32_t)n;
}

bool stream_at_end(const struct stream *s)
{
	return s->finished && s->head == s->tail;
}

size_t stream_room(const struct stream *s)
{
	return s->connected && !s->error ? stream_takes : 0;
}

size_t stream_write(struct stream *s, const void *data, size_t length)
{
	size_t room = sizeof(stream_out) - stream_out_length;

	RF_BUG_ON(!stream_open);
	if (length > stream_room(s))
		length = stream_room(s);
	stream_takes -= length;
	memcpy(stream_out + stream_out_length, data, length < room ? length : room);
	stream_out_length += length < room ? length : room;
	return length;
}

void stream_shutdown(struct stream *s)
{
	(void)s;
	RF_BUG_ON(!stream_open);
}

void stream_close(struct stream *s)
{
	RF_BUG_ON(!stream_open || s != &the_stream);
	stream_open = false;
}

void stream_abort(struct stream *s)
{
	stream_close(s);
}

uint32_t stream_count(void)
{
	return stream_open;
}

uint64_t stream_refused(void)
{
	return 0;
}

uint64_t stream_evicted(void)
{
	return 0;
}

bool stream_same_peer(const struct stream *a, const struct stream *b)
{
	return a == b;
}

#endif
