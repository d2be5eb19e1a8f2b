/* SPDX-License-Identifier: MIT */
/*
 * stream.h - TCP connections of the stack, used like non-blocking sockets.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Shape:  lwIP's callbacks only fill a stream's ring and note that something happened.
 *         stream_run() then calls each noted stream's owner, so that an owner may close
 *         or abort whatever it likes, at any time.
 * Memory: received bytes are copied into the stream's ring, of TCP_WND bytes: a peer's
 *         small segments, or an owner that does not read, hold no buffers of the stack.
 */
#ifndef RF_LWIP_STREAM_H
#define RF_LWIP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lwip/tcp.h"

#include "share.h"

struct stream;

/* Something happened: connected, bytes came, room came, the peer ended or reset. */
typedef void stream_event(struct stream *, void *owner);

struct stream {
	struct tcp_pcb *pcb;   /* NULL: gone, see `error` */
	int      error;        /* -errno why it is gone */
	bool     used, connected, noted, finished; /* finished: the peer sends no more */
	bool     written;      /* something to be pushed out by the next stream_run() */
	uint32_t head, tail;   /* of the ring, free-running */
	stream_event *event;
	void    *owner;
	struct stream *next;   /* list of noted ones, or of free ones */
	uint8_t  ring[TCP_WND];
};

/* A listener calls this with a new connection, whose owner and event it sets; false: the
 * connection is reset. */
typedef bool stream_accept(struct stream *, void *arg);

void stream_init(void);
uint32_t stream_count(void);
/* Connections refused for want of streams, or because their address had its share; half
 * open ones given up for newer ones. */
uint64_t stream_refused(void);
uint64_t stream_evicted(void);

/* 0, or -EADDRINUSE and the like. `allow` is asked of every SYN: to whom it says no, nothing
 * is answered and nothing is kept of him. */
int stream_listen(const ip_addr_t *at, uint16_t port, bool (*allow)(const ip_addr_t *, void *),
		  stream_accept *accept, void *arg);
/* NULL: no more streams, or no route. Then an event tells `connected` or `error`. */
struct stream *stream_connect(const ip_addr_t *to, uint16_t port, stream_event *event, void *owner);

/* What can be read: 0, 1 or 2 pieces. Then consume() some or all of it. */
int    stream_peek(struct stream *, struct iovec piece[2]);
void   stream_consume(struct stream *, size_t);
size_t stream_readable(const struct stream *);
/* Nothing more will come: the peer ended, and all was read. */
bool   stream_at_end(const struct stream *);

/* Most bytes a write would take now. A write copies; it may take less. */
size_t stream_room(const struct stream *);
size_t stream_write(struct stream *, const void *, size_t);
/* A place behind all that was written; has the peer acknowledged all before it? */
uint32_t stream_place(const struct stream *);
bool   stream_reached(const struct stream *, uint32_t place);
/* No more will be written. */
void   stream_shutdown(struct stream *);
/* Gives the stream back; what was written still arrives. After abort() the peer gets a
 * reset instead. Neither calls `event` again. */
void   stream_close(struct stream *);
void   stream_abort(struct stream *);

/* Has the owner called once more, though nothing happened. */
void stream_note(struct stream *);
/* Calls the owners of noted streams; pushes out what was written. Did anything happen? */
bool stream_run(void);
/* Of one that has a peer: share_host(). */
void stream_host(const struct stream *, uint8_t key[16]);
/* Do both have the same host for a peer? */
bool stream_same_peer(const struct stream *, const struct stream *);
/* For a status page: streams one after the other, NULL to begin. */
const struct stream *stream_next(const struct stream *);

#endif
