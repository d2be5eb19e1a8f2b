/* SPDX-License-Identifier: MIT */
/*
 * nbd.h - the NBD server: what its files share.
 *
 * Room:   sandbox/export/nbd, trusted, unprivileged, locked before the first client.
 * Trust:  none in clients. Whatever one sends costs at most its own connection; what
 *         it may hold of arena, commands and parts is bounded (NBD_* below).
 * Shape:  one thread, one loop, transports that never block. A command is split
 *         into parts, each one request of the block service with one arena buffer.
 *         Payload goes from socket to arena and back without a copy, but for what was
 *         read together with the header of a write.
 * Memory: all of it is allocated before the lock.
 */
#ifndef RF_NBD_H
#define RF_NBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "blk_io.h"
#include "blk_types.h"
#include "block.h"
#include "proto.h"
#include "rate_limit.h"
#include "ringfence.h"
#include "service.h"

#define NBD_CLIENTS    32u  /* served at a time */
#define NBD_SLOTS      40u  /* connections: the rest are about to be, or are refused */
#define NBD_PEER       48u  /* bytes of a peer's name */
#define NBD_COMMANDS   128u /* unanswered ones of a connection */
#define NBD_PARTS      256u /* likewise */
#define NBD_PART_BYTES 262144u
#define NBD_WAITING    8u /* requests that wait for others; with these a client has one at a time */
#define NBD_EDGES      16u  /* writes of less than whole blocks at a time, see edge.c */
#define NBD_MAX_BYTES  33554432u /* of one read or write: 32 MiB, the protocol's default */
#define NBD_IN_BYTES   8192u /* an option with the longest name is kept whole */
#define NBD_AHEAD      4096u /* read at most in one go behind a request */
#define NBD_OUT_BYTES  1024u
#define NBD_OPTION_MAX 65536u /* a longer option ends the connection */
#define NBD_NAME_MAX   4096u  /* of the protocol */
#define NBD_GREET_NS   10000000000ull /* a client that takes longer to negotiate is cut off, */
#define NBD_LINGER_NS  10000000000ull /* and one that ends and does not take its last answers, */
#ifndef NBD_STILL_NS /* tests have less time */
/* and one that takes none of its answers, or stops within a write */
#define NBD_STILL_NS   60000000000ull
#endif

struct nbd_cmd;
struct nbd_conn;
struct nbd_server;

/* How a client's bytes come and go: a socket (socket.c), or a TCP stack of our own. */
struct nbd_transport {
	/* Bytes put into the pieces. 0: the client has ended; -EAGAIN: none now; -errno. */
	ssize_t (*receive)(struct nbd_conn *, struct iovec *, int pieces);
	/* Bytes taken of the pieces; fewer than there are: no more now. -EAGAIN, -errno. */
	ssize_t (*send)(struct nbd_conn *, struct iovec *, int pieces);
	/* nbd_conn_event() is called when one of these is possible; always for an end. */
	void    (*watch)(struct nbd_conn *, bool receive, bool send);
	void    (*close)(struct nbd_conn *);
	/* A place behind all that was sent so far; has the client's host all before it? NULL: what
	 * was sent is there for it, whatever becomes of this process. */
	uint32_t (*sent)(const struct nbd_conn *);
	bool    (*arrived)(const struct nbd_conn *, uint32_t place);
};

/* What a client gets to see: a disk or a part of it. */
struct nbd_export {
	const char *name;
	uint64_t    first, size; /* bytes */
	bool        read_only;
};

/* Bytes to be sent: a header and perhaps payload out of the arena. */
struct nbd_reply {
	struct nbd_reply *next;
	struct nbd_cmd   *cmd;
	bool              has_part; /* sits in a struct nbd_part */
	uint8_t           head_len;
	unsigned char     head[NBD_CHUNK_BYTES + 8];
	uint32_t          data_len;
	void             *data;
};

struct nbd_part {
	struct rf_io      io;
	struct nbd_cmd   *cmd;
	struct nbd_part  *next;  /* free list; or, of a reply in one piece, the part behind it */
	struct nbd_part  *behind; /* waiting as well, see edge.c */
	uint32_t          bytes; /* of arena, 0: none */
	uint32_t          skip;    /* where the client's bytes begin: io has whole blocks, */
	uint32_t          payload; /* and how many they are */
	bool              done;
	struct nbd_reply  reply;
};

/* A write of less than whole blocks, while the rest of them is read. */
struct nbd_edge {
	struct rf_io     io[2]; /* first and last block */
	uint64_t         arena; /* room for both */
	struct nbd_part *part;
	uint32_t         pending;
	int              error;
};

struct nbd_cmd {
	struct nbd_conn *conn;
	struct nbd_cmd  *next; /* free list */
	uint64_t         handle; /* as it came, not swapped */
	uint64_t         offset;
	uint32_t         length;
	uint32_t         started; /* bytes given to parts */
	uint32_t         refs;    /* the parser, parts in the service, unsent replies */
	uint32_t         pending; /* parts in the service */
	uint16_t         type;
	uint8_t          op;        /* enum rf_blk_op */
	uint8_t          io_flags;  /* RF_BLK_* */
	bool             flush_after; /* FUA that the disk cannot do by itself */
	bool             flushed;     /* that flush was asked for */
	bool             tells;       /* its answer tells the client of all losses so far */
	bool             begun;       /* a part of it is done */
	bool             cut;         /* ... before others */
	/* rf_blk_losses() when it came, or begun; or the news it tells */
	uint32_t         losses;
	bool             finished;
	bool             one_piece; /* a read whose reply is one header and then all data */
	bool             streams;   /* one_piece: its parts leave as they are done, in order */
	bool             header_sent;
	int              error;     /* first -errno of a part */
	struct nbd_part *head, **tail; /* one_piece: parts not yet queued, in order */
	struct rf_io     flush_io;
	struct nbd_reply reply;
};

enum nbd_state {
	NBD_FREE = 0,
	NBD_HELLO,   /* client flags */
	NBD_OPTION,  /* option header and data */
	NBD_SKIP,    /* data of an option that is too long to look at */
	NBD_REQUEST, /* transmission: between requests */
	NBD_LIMITED, /* `cmd` waits until its rate lets it begin, see limit.c */
	NBD_START,   /* parts of `cmd` to be started */
	NBD_PAYLOAD, /* payload of `cmd` to be received */
	NBD_DRAIN,   /* payload of a refused write */
	NBD_CLOSING, /* reads no more; ends when all is answered */
	NBD_DEAD,    /* socket closed; ends when the service has given everything back */
};

struct nbd_bucket {
	struct rf_rate config;
	int64_t        tokens; /* below 0: owed */
	uint64_t       rest;   /* of a token, in billionths */
	uint64_t       at_ns;  /* counted up to then */
};

struct nbd_buckets {
	struct nbd_bucket requests, bytes;
};

/* limit.c: of a disk, */
struct nbd_limits {
	bool               any;
	struct rf_limits   of_client;
	struct nbd_buckets disk;
	struct nbd_conn   *head, **tail; /* clients that wait */
};

/* and of a client. */
struct nbd_limited {
	struct nbd_buckets own;
	struct nbd_conn   *next;
	uint64_t           since; /* it waits since then; 0: it does not */
};

struct nbd_conn {
	struct nbd_server *server;
	uint64_t           id; /* for log lines */
	char               peer[NBD_PEER]; /* who shares with whom: "uid 1000", an address */
	bool               admitted; /* one of NBD_CLIENTS */
	const struct nbd_transport *transport;
	const struct nbd_export *export;
	int                fd;      /* the transport's, or ... */
	void              *stream;  /* ... this */
	uint32_t           events;  /* the transport's: what it waits for */
	enum nbd_state     state;
	bool               throttled;  /* waits for room, not for bytes */
	bool               blocked;    /* the transport took no more output */
	bool               has_output; /* on the list of connections with output */
	bool               structured, no_zeroes;
	bool               wrote; /* the last request was a write: do not read ahead */
	uint32_t           commands, parts;
	uint32_t           asked;   /* parts given to the service and not answered */
	struct nbd_limited limited;
	struct rf_waits    waits;   /* its requests that wait for others, see pool.c */
	uint64_t           bytes; /* of arena held */
	uint64_t           until; /* negotiated by then, or, NBD_CLOSING, taken something */
	uint64_t           took, gave; /* when it last took answers, or had all; and gave bytes */
	uint32_t           losses; /* rf_blk_losses_reported() of this client */
	uint32_t           joined; /* the same number when it came */
	uint64_t           told_at;    /* when it was sent the last news; 0: none */
	bool               told_unknown; /* ... which another one may have been owed */
	bool               on_its_way; /* that news, up to `place` of what was sent */
	uint32_t           place;
	bool               broke;      /* it ended with an error: answers may be unread */
	uint32_t           cut_losses; /* changes answered of which a loss had taken a part */
	uint64_t           newest; /* rf_blk_acked() at its last write */

	uint32_t         skip; /* NBD_SKIP, NBD_DRAIN: bytes left */
	uint32_t         option;
	struct nbd_cmd  *cmd;  /* being parsed or started */
	struct nbd_part *part; /* being filled */
	uint32_t         filled;
	struct nbd_conn *output_next;

	struct nbd_reply  *reply_head, **reply_tail;
	uint32_t           reply_sent; /* bytes of reply_head already sent */
	uint32_t           in_at, in_len, out_at, out_len;
	unsigned char      in[NBD_IN_BYTES];
	unsigned char      out[NBD_OUT_BYTES]; /* handshake only */
};

struct nbd_server {
	struct rf_blk *service;
	const struct rf_blk_info *info; /* NULL: not known yet, nobody is let in */
	int                epoll;     /* socket.c's */
	bool               listening; /* the listener is in the epoll set, */
	uint64_t           listen_ns; /* but not before: accept.h */
	struct nbd_export  whole;     /* rf-nbd's only export */
	bool               retry;     /* room came back: look at throttled connections */
	uint64_t           now, clients_ever, errors, cut;
	bool               crowded;   /* a connection is throttled by nbd_conn_crowds() */
	bool               full;      /* one has its share of the in-flight table, see pool.c */
	struct nbd_limits  limits;
	uint32_t           waiting;   /* requests of all clients that wait for others */
	uint64_t           own_share, common, common_used; /* arena bytes, see pool.c */
	uint32_t           clients;
	uint32_t           block_mask;
	uint32_t           edges, edges_free; /* see edge.c */
	struct nbd_edge    edge[NBD_EDGES];
	struct nbd_part   *behind, **behind_tail; /* those that wait, see edge.c */
	bool               waking, wake_again;
	struct nbd_conn   *output_list;
	struct nbd_cmd    *free_cmds;
	struct nbd_part   *free_parts;
	uint32_t           admitted, dead; /* connections */
	struct nbd_conn    conns[NBD_SLOTS];
};

enum nbd_step {
	NBD_GO_ON,     /* something was done, look again */
	NBD_MORE,      /* needs more bytes from the client */
	NBD_THROTTLED, /* needs room: commands, parts, arena, output */
	NBD_ENDED,     /* the connection is closed or closing */
};

/* socket.c: clients over sockets, RF_EXPORT_FD_LISTEN and epoll */
void nbd_accept(struct nbd_server *);

/* server.c: the turns of the server, whatever it is built into */
void nbd_server_info(struct nbd_server *); /* the device process has said something */
int  nbd_server_work(struct nbd_server *); /* number of completions */
bool nbd_server_hurries(struct nbd_server *, bool cut_off); /* has anybody a deadline? */
void nbd_server_tick(struct nbd_server *); /* every 100 ms */

/* conn.c */
void nbd_conn_open(struct nbd_conn *, const struct nbd_export *);
void nbd_conn_input(struct nbd_conn *);
/* Input may have come, output may be possible, or the client has ended or broken. */
void nbd_conn_event(struct nbd_conn *, bool receive, bool send, bool broken);

/* close.c */
void nbd_clients_count(struct nbd_server *, int by);
void nbd_cmd_put(struct nbd_cmd *);
/* Queues the answered parts up to the first that is not answered; after an error it frees them. */
void nbd_cmd_run(struct nbd_cmd *);
void nbd_cmd_stream(struct nbd_cmd *);  /* for a reply no room can hold */
void nbd_cmd_abandon(struct nbd_cmd *); /* its connection is dead */
void nbd_reply_free(struct nbd_reply *);
void nbd_replies_drop(struct nbd_conn *);
void nbd_conn_close(struct nbd_conn *, const char *why, ...)
	__attribute__((format(printf, 2, 3))); /* why: one log line, or NULL */
void nbd_conn_ended(struct nbd_conn *); /* the client went away, */
void nbd_conn_broke(struct nbd_conn *); /* perhaps without having read all its answers */
void nbd_conn_finish(struct nbd_conn *); /* it sends no more: ends when all is answered */
void nbd_conn_settle(struct nbd_conn *); /* frees it if nothing is left of it */

/* losses.c */
void nbd_losses_join(struct nbd_conn *);   /* it may send requests from now on, */
void nbd_losses_leave(struct nbd_conn *);  /* and does so no more */
void nbd_losses_mind(struct nbd_cmd *);    /* all of it is done: what is its answer? */
void nbd_losses_reported(struct nbd_conn *, uint32_t losses); /* they were sent to the client, */
void nbd_losses_arrived(struct nbd_conn *);                /* and may be there by now */

/* slots.c */
/* Is there one? Not while those that ended have requests under way in all that are not served. */
bool nbd_slot_possible(const struct nbd_server *);
/* For one more client of this peer's. `c->transport` and what it needs are set before the
 * greeting. */
struct nbd_conn *nbd_conn_slot(struct nbd_server *, const char *peer);
/* May it be served? 0, or the length of the reason in why. */
size_t nbd_conn_refused(struct nbd_conn *, char *why, size_t room);

/* handshake.c */
void          nbd_greet(struct nbd_conn *);
enum nbd_step nbd_handshake(struct nbd_conn *);

/* request.c */
enum nbd_step nbd_request(struct nbd_conn *);
uint16_t      nbd_transmission_flags(const struct nbd_conn *);

/* partition.c: where partition `number` of a disk lies, by its first bytes. 0, or -errno
 * with the reason in *why. */
int nbd_partition_find(const unsigned char *data, size_t length, const struct rf_blk_info *disk,
		       unsigned number, uint64_t *first, uint64_t *size, const char **why);

/* pool.c */
int              nbd_pools_open(struct nbd_server *);
struct nbd_cmd  *nbd_cmd_new(struct nbd_conn *);
bool             nbd_conn_crowds(struct nbd_conn *); /* is it to wait with its next part? */
struct nbd_part *nbd_part_new(struct nbd_cmd *, uint32_t want); /* arena: want or less */
struct nbd_part *nbd_part_plain(struct nbd_cmd *, uint32_t want); /* no arena */
void             nbd_part_free(struct nbd_part *);

/* limit.c */
void nbd_limits_open(struct nbd_server *);
void nbd_limit_join(struct nbd_conn *); /* its buckets are full */
/* May this command begin? If not, its connection waits in the queue. */
bool nbd_limit_admits(struct nbd_cmd *);
void nbd_limit_leave(struct nbd_conn *); /* it waits no more: it ends */
/* Whose command may begin now, of those that wait; NULL: nobody's. */
struct nbd_conn *nbd_limits_next(struct nbd_server *);
/* Milliseconds until that may be somebody; -1: nobody waits. */
int  nbd_limits_patience(const struct nbd_server *);
static inline bool nbd_limit_waits(const struct nbd_conn *c)
{
	return c->limited.since;
}

/* part.c */
void nbd_part_submit(struct nbd_part *);
void nbd_cmd_check(struct nbd_cmd *); /* all parts answered? Then it is */

/* edge.c */
void nbd_edges_open(struct nbd_server *); /* once the disk is known */
void nbd_part_send(struct nbd_part *);    /* to the service */
void nbd_edge_submit(struct nbd_part *);  /* if it is one, or while there are any */
static inline bool nbd_edge_is(const struct nbd_part *part)
{
	return part->io.op == RF_BLK_WRITE && part->payload != part->io.length;
}

/* reply.c */
void nbd_reply_queue(struct nbd_conn *, struct nbd_reply *);
void nbd_reply_error(struct nbd_cmd *, int nbd_error); /* refuses a whole command */
void nbd_reply_done(struct nbd_cmd *);                 /* all parts are answered */
void nbd_reply_data(struct nbd_part *, bool last);
void nbd_conn_has_output(struct nbd_conn *);
int  nbd_error_of(int err);

/* send.c */
void nbd_conn_send(struct nbd_conn *);
void nbd_conn_watch(struct nbd_conn *); /* tells the transport what to wait for */
static inline bool nbd_conn_reads(const struct nbd_conn *c)
{
	return c->state >= NBD_HELLO && c->state < NBD_CLOSING;
}

#endif
