/* SPDX-License-Identifier: MIT */
/*
 * limit.c - the rate of a disk and of each client: 'limit' and 'client-limit' of the
 *           configuration.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Bucket: rate_limit.h says what one does. Tokens are counted when somebody asks, by the clock,
 *         so that nothing wakes up for them but a client that waits.
 * Where:  a command is let in as a whole, before it has any memory of the arena and before its
 *         payload is read: a client that has to wait is not read from.
 * Turns:  clients that wait are in a queue, one command of each. Whoever was let in and has another
 *         one goes to its end. One that waits for its own bucket lets others pass; one that waits
 *         for the disk's does not, however much it wants.
 * Free:   flushes take nothing and wait for nothing but what their own connection sent before.
 * Cost:   without limits a comparison a command; with them a look at the clock.
 */
#include <stdatomic.h>

#include "clock.h"
#include "nbd.h"
#include "stats.h"

#define SECOND  1000000000u
#define MOST_MS 100 /* that anybody sleeps who is waited for */

/* ---- one bucket ---------------------------------------------------------------------------- */

static void bucket_open(struct nbd_bucket *b, const struct rf_rate *config, uint64_t now)
{
	*b = (struct nbd_bucket){ .config = *config, .tokens = (int64_t)config->burst,
				  .at_ns = now };
}

/* What came since the last look. */
static void bucket_fill(struct nbd_bucket *b, uint64_t now)
{
	unsigned __int128 grown = (unsigned __int128)(now - b->at_ns) * b->config.rate + b->rest;
	uint64_t room = (uint64_t)((int64_t)b->config.burst - b->tokens);

	b->at_ns = now;
	if (grown >= (unsigned __int128)room * SECOND) {
		b->tokens = (int64_t)b->config.burst;
		b->rest = 0;
		return;
	}
	b->tokens += (int64_t)(grown / SECOND);
	b->rest = (uint64_t)(grown % SECOND);
}

/* Tokens that must be there for a request of `cost`. */
static int64_t bucket_needs(const struct nbd_bucket *b, uint64_t cost)
{
	return (int64_t)(cost < b->config.burst ? cost : b->config.burst);
}

static bool bucket_has(const struct nbd_bucket *b, uint64_t cost)
{
	return !b->config.rate || b->tokens >= bucket_needs(b, cost);
}

static void bucket_take(struct nbd_bucket *b, uint64_t cost)
{
	if (b->config.rate)
		b->tokens -= (int64_t)cost;
}

/* Nanoseconds from the last look until bucket_has(). */
static uint64_t bucket_wait(const struct nbd_bucket *b, uint64_t cost)
{
	if (bucket_has(b, cost))
		return 0;
	uint64_t lacks = (uint64_t)(bucket_needs(b, cost) - b->tokens);

	return (uint64_t)(((unsigned __int128)lacks * SECOND - b->rest + b->config.rate - 1) /
			  b->config.rate);
}

/* ---- requests and bytes ---------------------------------------------------------------------- */

static uint64_t limit_bytes(const struct nbd_cmd *cmd)
{
	return cmd->op <= RF_BLK_WRITE ? cmd->length : 0;
}

static void buckets_open(struct nbd_buckets *b, const struct rf_limits *l, uint64_t now)
{
	bucket_open(&b->requests, &l->requests, now);
	bucket_open(&b->bytes, &l->bytes, now);
}

static void buckets_fill(struct nbd_buckets *b, uint64_t now)
{
	bucket_fill(&b->requests, now);
	bucket_fill(&b->bytes, now);
}

static bool buckets_have(const struct nbd_buckets *b, const struct nbd_cmd *cmd)
{
	return bucket_has(&b->requests, 1) && bucket_has(&b->bytes, limit_bytes(cmd));
}

static void buckets_take(struct nbd_buckets *b, const struct nbd_cmd *cmd)
{
	bucket_take(&b->requests, 1);
	bucket_take(&b->bytes, limit_bytes(cmd));
}

static uint64_t buckets_wait(const struct nbd_buckets *b, const struct nbd_cmd *cmd)
{
	uint64_t requests = bucket_wait(&b->requests, 1),
		 bytes = bucket_wait(&b->bytes, limit_bytes(cmd));

	return requests > bytes ? requests : bytes;
}

/* ---- clients --------------------------------------------------------------------------------- */

void nbd_limits_open(struct nbd_server *srv)
{
	const struct rf_export_config *config = rf_blk_config(srv->service);
	struct nbd_limits *l = &srv->limits;

	l->of_client = config->client_limit;
	l->any = config->limit.requests.rate || config->limit.bytes.rate ||
		 config->client_limit.requests.rate || config->client_limit.bytes.rate;
	l->tail = &l->head;
	buckets_open(&l->disk, &config->limit, rf_now_ns());
}

void nbd_limit_join(struct nbd_conn *c)
{
	if (c->server->limits.any)
		buckets_open(&c->limited.own, &c->server->limits.of_client, rf_now_ns());
}

static void limit_charge(struct nbd_conn *c, const struct nbd_cmd *cmd)
{
	buckets_take(&c->server->limits.disk, cmd);
	buckets_take(&c->limited.own, cmd);
}

static bool limit_affords(struct nbd_conn *c, const struct nbd_cmd *cmd)
{
	return buckets_have(&c->server->limits.disk, cmd) && buckets_have(&c->limited.own, cmd);
}

bool nbd_limit_admits(struct nbd_cmd *cmd)
{
	struct nbd_conn *c = cmd->conn;
	struct nbd_limits *l = &c->server->limits;

	if (!l->any || cmd->op == RF_BLK_FLUSH)
		return true;
	/* Tokens taken without a look at the clock would come back for time in which the bucket
	 * was full. */
	uint64_t now = rf_now_ns();
	buckets_fill(&l->disk, now);
	buckets_fill(&c->limited.own, now);
	if (!l->head && limit_affords(c, cmd)) {
		limit_charge(c, cmd);
		return true;
	}
	c->limited.since = now;
	c->limited.next = NULL;
	*l->tail = c;
	l->tail = &c->limited.next;
	return false;
}

void nbd_limit_leave(struct nbd_conn *c)
{
	struct nbd_limits *l = &c->server->limits;

	if (!nbd_limit_waits(c))
		return;
	struct nbd_conn **at = &l->head;
	while (*at != c)
		at = &(*at)->limited.next;
	*at = c->limited.next;
	if (!*at)
		l->tail = at;
	c->limited.since = 0;
}

static void limit_count(const struct nbd_conn *c, uint64_t now)
{
	struct rf_stats_service *stats = rf_blk_stats(c->server->service);

	atomic_store_explicit(&stats->throttled, stats->throttled + 1, memory_order_relaxed);
	atomic_store_explicit(&stats->throttled_ns, stats->throttled_ns + now - c->limited.since,
			      memory_order_relaxed);
}

/* One that waits for its own bucket is passed by; one that waits for the disk's is not. */
struct nbd_conn *nbd_limits_next(struct nbd_server *srv)
{
	struct nbd_limits *l = &srv->limits;
	struct nbd_conn *c = l->head;

	if (!c)
		return NULL;
	uint64_t now = rf_now_ns();
	buckets_fill(&l->disk, now);
	for (; c; c = c->limited.next) {
		buckets_fill(&c->limited.own, now);
		if (buckets_have(&c->limited.own, c->cmd))
			break;
	}
	if (!c || !buckets_have(&l->disk, c->cmd))
		return NULL;
	limit_charge(c, c->cmd);
	limit_count(c, now);
	nbd_limit_leave(c);
	return c;
}

int nbd_limits_patience(const struct nbd_server *srv)
{
	const struct nbd_limits *l = &srv->limits;
	uint64_t least = UINT64_MAX;

	for (const struct nbd_conn *c = l->head; c; c = c->limited.next) {
		uint64_t own = buckets_wait(&c->limited.own, c->cmd);
		uint64_t wait = own ? own : buckets_wait(&l->disk, c->cmd);

		if (wait < least)
			least = wait;
		if (!own) /* nobody behind it passes before */
			break;
	}
	if (least == UINT64_MAX)
		return -1;
	least = (least + 999999) / 1000000;
	return least < 1 ? 1 : least < MOST_MS ? (int)least : MOST_MS;
}
