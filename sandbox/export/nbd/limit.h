/* SPDX-License-Identifier: MIT */
/*
 * limit.h - the rate of a disk and of each client: `limit` and `client-limit` of the configuration.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Bucket: rate_limit.h says what one does. Tokens are counted when somebody asks, by the clock, so that
 *         nothing wakes up for them but a client that waits.
 * Where:  a command is let in as a whole, before it has any memory of the arena and before its
 *         payload is read: a client that has to wait is not read from.
 * Turns:  clients that wait are in a queue, one command of each. Whoever was let in and has another
 *         one goes to its end. One that waits for its own bucket lets others pass; one that waits
 *         for the disk's does not, however much it wants.
 * Free:   flushes take nothing and wait for nothing but what their own connection sent before.
 * Cost:   without limits a comparison a command; with them a look at the clock.
 */
#ifndef NBD_LIMIT_H
#define NBD_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "rate_limit.h"

struct nbd_cmd;
struct nbd_conn;
struct nbd_server;

struct nbd_bucket {
	struct rf_rate config;
	int64_t        tokens; /* below 0: owed */
	uint64_t       rest;   /* of a token, in billionths */
	uint64_t       at_ns;  /* counted up to then */
};

struct nbd_buckets {
	struct nbd_bucket requests, bytes;
};

/* Of a disk. */
struct nbd_limits {
	bool               any;
	struct rf_limits   of_client;
	struct nbd_buckets disk;
	struct nbd_conn   *head, **tail; /* clients that wait */
};

/* Of a client. */
struct nbd_limited {
	struct nbd_buckets own;
	struct nbd_conn   *next;
	uint64_t           since; /* it waits since then; 0: it does not */
};

void nbd_limits_open(struct nbd_server *);
void nbd_limit_join(struct nbd_conn *); /* its bucket is full */
/* May this command begin? If not, its connection waits in the queue. */
bool nbd_limit_admits(struct nbd_cmd *);
static inline bool nbd_limit_waits(const struct nbd_limited *l)
{
	return l->since;
}
void nbd_limit_leave(struct nbd_conn *); /* it waits no more: it ends */
/* Lets in whoever may. */
void nbd_limits_turn(struct nbd_server *);
/* Milliseconds until that may be somebody; -1: nobody waits. */
int  nbd_limits_patience(const struct nbd_server *);

#endif
