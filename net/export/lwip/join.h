/* SPDX-License-Identifier: MIT */
/*
 * join.h - a connection of the host and a stream of the stack, joined.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Life:   it is opened with one of the two ends, gets the other one (dialled, resolved and
 *         connected, or asked for by SOCKS), and then bytes, ends and resets are carried
 *         over in both directions until both have ended.
 * Room for bytes is bounded: the stream's ring one way, `out` the other. Who is full stops
 *         reading, so that the peer is slowed down and nothing is lost.
 */
#ifndef RF_LWIP_JOIN_H
#define RF_LWIP_JOIN_H

#include "loop.h"
#include "lwip_config.h"
#include "stream.h"

#define JOINS          RF_LWIP_STREAMS
#define JOIN_OUT_BYTES 16384u
#define JOIN_SETUP_NS  30000000000ull /* to get its second end */
#define JOIN_TRY_NS    10000000000ull /* of these, for the first of a name's addresses */
#define JOIN_NAME      256

struct disk;

/* One service line of the configuration. */
struct service {
	const struct rf_lwip_service *config;
	uint32_t index;
	struct watch listen; /* on the host, */
	uint64_t listen_ns;  /* but not before: accept.h */
	uint64_t accepted, refused, failed; /* failed: the other end could not be reached */
	uint64_t to_host, to_stack;         /* bytes */
	uint32_t active;
	struct disk *disk; /* RF_LWIP_DISK */
};

enum join_state { JOIN_FREE, JOIN_SOCKS, JOIN_RESOLVE, JOIN_CONNECT, JOIN_DIAL, JOIN_RUN };

struct join {
	struct watch host; /* first */
	enum join_state state;
	uint32_t       id;     /* index and how often it was used */
	struct service *service;
	struct stream *stream;
	bool           asked;  /* rf-dial was */
	bool           socks;  /* a SOCKS client waits for an answer */
	bool           greeted;
	bool           host_ended, host_shut, stream_shut;
	uint16_t       port;   /* to be connected to */
	char           name[JOIN_NAME]; /* ... by this name; "": by address */
	bool           second; /* its IPv6 address is tried */
	int            why;    /* -errno: how its IPv4 address failed */
	uint8_t        peer[16]; /* its client's host; zeroes: whoever has a UNIX socket */
	uint64_t       until, next_try;
	uint32_t       out_at, out_len;
	uint8_t        out[JOIN_OUT_BYTES]; /* of the host, for the stack */
};

/* join.c */
struct join *join_new(struct service *); /* NULL: all in use */
/* Is there a free one for this service? The last ones are kept for other services. */
bool join_available(const struct service *);
/* The same for one of its clients. */
bool join_fair(const struct service *, const uint8_t peer[16]);
struct join *join_of(uint32_t id);       /* NULL: it has ended */
void join_host(struct join *, int fd);   /* gives it its host end */
void join_stream(struct join *, struct stream *);
void join_run(struct join *);            /* moves what can be moved */
void join_fail(struct join *, int err);  /* the second end cannot be reached */
void join_drop(struct join *, bool reset);
void join_tick(uint64_t now);            /* ends what takes too long */
struct join *join_unasked(void);         /* one that rf-dial was not asked for yet */

/* reach.c: an address or name on the stack's side */
void join_connect(struct join *, const ip_addr_t *);
void join_resolve(struct join *, const char *name);
/* The connection to this address failed: a name's other address is tried, or the join fails. */
void join_next(struct join *, int err);

/* socks.c */
void socks_begin(struct join *);
void socks_input(struct join *);
/* The stream is there (0), or it is not (-errno): answers. False: the join is gone. */
bool socks_answer(struct join *, int err);

/* forward.c */
int  services_open(struct service *, struct disk *, const struct rf_lwip_config *);
void services_watch(struct service *, uint32_t count);

#endif
