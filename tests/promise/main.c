/* SPDX-License-Identifier: MIT */
/*
 * main.c - promise SOCKET [KEY=VALUE...]: random requests until there were enough of them,
 * or until SIGTERM; then, with a record, power cuts. Figures as one line of JSON.
 *
 * Room:   tests/promise.
 *   requests=N (100000) seconds=N (0: any)   whichever comes first
 *   qd=N (32) span=BLOCKS (1024) seed=N (1)
 *   poison=BLOCK     read now and then, must fail with EIO; at or above span
 *   record=FILE      of the device model; cuts=N (1000) power cuts
 *   patience=N (60)  seconds without a server, or without an answer
 *   pace=N (0)       microseconds between requests, at least
 *   loses=1          the device's cache may go at any time: a read may give any version from the
 *                    last promised one on, and a flush that fails takes promises back
 * Exit:   0, 1: an error, a wrong byte or a promise not kept, 2: no server, or no answer.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "promise.h"

static volatile sig_atomic_t told_to_end;

static void on_term(int signal)
{
	(void)signal;
	told_to_end = 1;
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("promise: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

uint64_t chance(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

struct options {
	uint64_t requests, seconds, qd, span, seed, poison, cuts, patience, pace, loses;
	const char *record;
};

static void parse(struct options *o, char *word)
{
	const struct { const char *key; uint64_t *value; } keys[] = {
		{ "requests", &o->requests }, { "seconds", &o->seconds }, { "qd", &o->qd },
		{ "span", &o->span },
		{ "seed", &o->seed }, { "poison", &o->poison }, { "cuts", &o->cuts },
		{ "patience", &o->patience },
		{ "pace", &o->pace }, { "loses", &o->loses },
	};
	char *value = strchr(word, '=');

	if (!value)
		fail("%s: no KEY=VALUE", word);
	*value++ = '\0';
	if (!strcmp(word, "record")) {
		o->record = value;
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(word, keys[i].key)) {
			*keys[i].value = strtoull(value, NULL, 0);
			return;
		}
	fail("%s: no such option", word);
}

/* Of 64 requests: 27 reads, 30 writes (6 of them FUA), 4 zeroings, 3 flushes. A third of
 * them go to an eighth of the blocks, so that they overlap. */
static void think_up(const struct options *o, struct request *r, uint64_t *dice)
{
	uint64_t die = chance(dice) % 64;
	uint64_t span = chance(dice) % 3 ? o->span : o->span / 8;

	r->kind = die < 27 ? READ : die < 57 ? WRITE : die < 61 ? ZERO : FLUSH;
	r->fua = r->kind == WRITE && die < 33;
	r->blocks = r->kind == FLUSH ? 0 : 1 + (uint32_t)(chance(dice) % MAX_BLOCKS);
	r->block = (uint32_t)(chance(dice) % (span - r->blocks + 1));
	if (o->poison != ~0ull && chance(dice) % 500 == 0) {
		r->kind = POISON;
		r->fua = false;
		r->block = (uint32_t)o->poison;
		r->blocks = 1;
	}
}

static void load(struct client *c, const struct options *o)
{
	uint64_t dice = o->seed, begun = now_us(), moved = begun, next = 0, submitted = 0, seen = 0;

	while (c->busy || (submitted < o->requests && !told_to_end)) {
		uint64_t now = now_us();
		bool over = submitted >= o->requests || told_to_end ||
			    (o->seconds && now - begun > o->seconds * 1000000);

		if (over && !c->busy)
			break;
		for (unsigned i = 0; i < c->depth && !over && now >= next; i++) {
			if (c->slot[i].busy)
				continue;
			think_up(o, &c->slot[i], &dice);
			client_submit(c, &c->slot[i]);
			submitted++;
			next = o->pace ? now + o->pace : 0;
		}
		client_turn(c, next > now ? 1 : 1000);
		if (c->count.requests != seen)
			moved = now_us();
		seen = c->count.requests;
		if (now_us() - moved > (uint64_t)c->patience * 1000000)
			fail("%u requests have no answer for %d s", c->busy, c->patience);
	}
}

static void report(const struct figures *n, bool cuts, bool poison)
{
	printf("{\"requests\":%llu,\"reads\":%llu,\"writes\":%llu,\"fua\":%llu,\"flushes\":%llu,"
	       "\"bytes_verified\":%llu,\"reconnects\":%llu,"
	       "\"resent\":%llu,\"client_errors\":%llu,\"mismatches\":%llu,"
	       "\"flushes_failed\":%llu",
	       (unsigned long long)n->requests, (unsigned long long)n->reads,
	       (unsigned long long)n->writes, (unsigned long long)n->fua,
	       (unsigned long long)n->flushes, (unsigned long long)n->bytes_verified,
	       (unsigned long long)n->reconnects, (unsigned long long)n->resent,
	       (unsigned long long)n->errors, (unsigned long long)n->mismatches,
	       (unsigned long long)n->flushes_failed);
	if (poison)
		printf(",\"poisoned\":%llu", (unsigned long long)n->poisoned);
	if (cuts)
		printf(",\"cuts\":%llu,\"images\":%llu,\"versions_checked\":%llu,\"promises_"
		       "checked\":%llu,\"acked_writes_lost\":%llu",
		       (unsigned long long)n->cuts, (unsigned long long)n->images,
		       (unsigned long long)n->candidates, (unsigned long long)n->promises_checked,
		       (unsigned long long)n->lost);
	puts("}");
}

int main(int argc, char **argv)
{
	static struct client c;
	struct options o = { .requests = 100000,
			     .qd = 32,
			     .span = 1024,
			     .seed = 1,
			     .poison = ~0ull,
			     .cuts = 1000,
			     .patience = 60 };

	if (argc < 2)
		fail("usage: promise SOCKET [KEY=VALUE...]");
	for (int i = 2; i < argc; i++)
		parse(&o, argv[i]);
	if (!o.qd || o.qd > MAX_DEPTH || o.span < 8 * MAX_BLOCKS ||
	    (o.poison != ~0ull && o.poison < o.span))
		fail("qd is 1 to %u, span at least %u, poison not below span", MAX_DEPTH,
		     8 * MAX_BLOCKS);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_term }, NULL);
	c.path = argv[1];
	c.depth = (unsigned)o.qd;
	c.patience = (int)o.patience;
	book_open(&c.book, (uint32_t)o.span, o.record);
	c.book.loses = o.loses;
	client_connect(&c);
	load(&c, &o);
	if (o.record)
		cuts_check(&c.book, o.cuts, o.seed, &c.count);
	report(&c.count, o.record, o.poison != ~0ull);
	return c.count.errors || c.count.mismatches || c.count.lost;
}
