/* SPDX-License-Identifier: MIT */
/*
 * load.h - a load generator for disks: a program of `export program`, which knows nothing of
 * ringfence but the public header of libringfence.
 *
 * Room:   tests/load.
 * Words:  behind its path in the configuration, KEY=VALUE:
 *           mode=randread|seqread|randwrite|randrw   (randread)
 *           bs=BYTES        of a request             (4096)
 *           qd=N            requests in flight       (32)
 *           requests=N      of a round               (100000)
 *           rounds=N        one JSON line each       (1)
 *           span=BYTES      of the disk, from 0      (all of it)
 *           seed=N                                   (1)
 *           verify=0|1      write patterns, check every block read that was written;
 *                           the last round ends with a check of all of them (0)
 *           queues=N        spread over so many queues of the disk (1)
 *           pin=CPU         run on this one          (anywhere)
 *           marks=0|1       load_mark.h around a round (0)
 *         Numbers may end in K, M or G.
 */
#ifndef RF_LOAD_H
#define RF_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "poll_window.h"
#include "ringfence.h"
#include "say.h"

#define LOAD_QD_MAX 1024u

enum load_mode { LOAD_RANDREAD, LOAD_SEQREAD, LOAD_RANDWRITE, LOAD_RANDRW };

struct load_args {
	enum load_mode mode;
	uint32_t       bs, qd, rounds, queues;
	uint64_t       requests, span, seed;
	bool           verify, marks;
	int            pin; /* -1: none */
};

struct load;

struct load_slot {
	struct rf_io io; /* first */
	struct load *load;
	uint64_t     block;
	uint32_t     serial; /* of the write under way */
	int          status; /* of the last one, until it is verified */
};

struct load {
	struct rf_blk     *disk;
	struct load_args   args;
	uint64_t           blocks;  /* in the span */
	uint64_t           random, next;
	uint64_t           left;    /* of this round, not yet submitted */
	uint32_t           serial;
	bool               plain;   /* nothing to verify, one kind of request */
	bool               sweep;   /* the last check: reads what was written, once */
	uint32_t          *written; /* verify: serial by block, 0: unknown content */
	unsigned char     *busy;    /* verify: a request is under way on this block */
	struct load_slot  *idle[LOAD_QD_MAX];
	uint32_t           idle_count;
	uint32_t           verified_to; /* idle slots before it are, the others not yet */

	uint64_t errors, mismatches, verified, empty_polls, sleeps;
	struct rf_housekeeping housekeeping;
	struct rf_poll_window window;
	uint64_t watched; /* when it was looked at last whether the driver moves */
	struct load_slot slots[LOAD_QD_MAX];
};

/* 0, or -EINVAL after one line in the log. */
int load_parse(const char *text, struct load_args *);
const char *load_mode_name(enum load_mode);

/* The bytes of one block as write number `serial` leaves them. */
void load_pattern_fill(void *at, uint32_t bytes, uint64_t seed, uint64_t block, uint32_t serial);
bool load_pattern_check(const void *at, uint32_t bytes, uint64_t seed, uint64_t block,
			uint32_t serial);

/* Submits as much as is allowed. */
void load_feed(struct load *);
static inline bool load_busy(const struct load *l)
{
	return l->idle_count < l->args.qd;
}
/* Buffers and tables, once the disk is known. 0, or -errno after one line. */
int  load_prepare(struct load *);

#endif
