/* SPDX-License-Identifier: MIT */
/*
 * proxy_table.h - the proxies that there are: a place for each, and who has one.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 */
#ifndef RF_LWIP_JOIN_TABLE_H
#define RF_LWIP_JOIN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "lwip_config.h"
#include "stream.h"

#define PROXIES        RF_LWIP_STREAMS
#define PROXY_OUT_BYTES 16384u
#define PROXY_SETUP_NS 30000000000ull /* to get its second end */
#define PROXY_TRY_NS   10000000000ull /* of these, for the first of a name's addresses */
#define PROXY_NAME     256

struct lwip_disk;

/* One service line of the configuration. */
struct service {
	const struct rf_lwip_service *config;
	uint32_t index;
	struct loop_watch listen; /* on the host, */
	uint64_t listen_ns;  /* but not before: accept.h */
	uint64_t accepted, refused, failed; /* failed: the other end could not be reached */
	uint64_t to_host, to_stack;         /* bytes */
	uint32_t active;
	struct lwip_disk *disk; /* RF_LWIP_DISK */
};

enum proxy_state { PROXY_FREE, PROXY_SOCKS, PROXY_RESOLVE, PROXY_CONNECT, PROXY_DIAL, PROXY_RUN };

struct proxy {
	struct loop_watch host; /* first */
	enum proxy_state state;
	uint32_t       id;     /* index and how often it was used */
	struct service *service;
	struct stream *stream;
	stream_event  *changed; /* what its stream calls */
	bool           asked;  /* rf-dial was */
	bool           socks;  /* a SOCKS client waits for an answer */
	bool           greeted;
	bool           host_ended, host_shut, stream_shut;
	uint16_t       port;   /* to be connected to */
	char           name[PROXY_NAME]; /* ... by this name; "": by address */
	bool           second; /* its IPv6 address is tried */
	int            why;    /* -errno: how its IPv4 address failed */
	uint8_t        peer[16]; /* its client's host; zeroes: whoever has a UNIX socket */
	uint64_t       until, next_try;
	uint32_t       out_at, out_len;
	uint8_t        out[PROXY_OUT_BYTES]; /* of the host, for the stack */
};

struct proxy *proxy_take(struct service *, stream_event *); /* NULL: all in use */
/* Is there a free one for this service? The last ones are kept for other services. */
bool proxy_available(const struct service *);
/* The same for one of its clients. */
bool proxy_fair(const struct service *, const uint8_t peer[16]);
struct proxy *proxy_of(uint32_t id);     /* NULL: it has ended */
struct proxy *proxy_after(const struct proxy *); /* the next in use; of NULL the first */
void proxy_stream(struct proxy *, struct stream *);
void proxy_drop(struct proxy *, bool reset);

#endif
