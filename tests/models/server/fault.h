/* SPDX-License-Identifier: MIT */
/*
 * fault.h - faults on demand: a table of names, armed by the control socket or the
 * command line, fired where the code asks.
 *
 * Room:   tests/models/server.
 * Replay: all chance comes from one seed, and a fault counts opportunities, not time:
 *         the same seed and the same requests give the same faults.
 *
 *   fault NAME [after N] [count N|forever] [arg V] [one-in N]
 *
 * after: opportunities let pass first (0). count: firings until it is disarmed (1).
 * one-in: each opportunity fires with chance 1/N (1). arg: meaning by fault.
 */
#ifndef MODEL_FAULT_H
#define MODEL_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FAULT_FOREVER UINT64_MAX
#define FAULT_NO_ARG  UINT64_MAX

struct fault {
	const char *name, *what; /* what: one line for --list-faults */
	uint64_t    left;        /* firings to come, 0: not armed */
	uint64_t    after, one_in;
	uint64_t    arg;         /* FAULT_NO_ARG: none was given */
	uint64_t    fired;       /* since the start */
};

/* The server's table and the model's. */
struct fault_set {
	struct fault *table[2];
	unsigned      count[2];
	uint64_t      random; /* state of the generator */
	unsigned      armed;  /* how many: the hot path asks this one first */
};

void fault_seed(struct fault_set *, uint64_t seed);
uint64_t fault_random(struct fault_set *);

/* An opportunity: does it fire? */
bool fault_fires_slow(struct fault_set *, struct fault *);
static inline bool fault_fires(struct fault_set *set, struct fault *f)
{
	return __builtin_expect(f->left != 0, 0) && fault_fires_slow(set, f);
}
static inline uint64_t fault_arg(const struct fault *f, uint64_t otherwise)
{
	return f->arg == FAULT_NO_ARG ? otherwise : f->arg;
}

/* words: NAME and the rest of the line above. 0, -ENOENT: no such fault, -EINVAL. */
int fault_arm(struct fault_set *, int count, char **word);
/* "NAME,after=N,count=M,arg=V,one-in=N" of the command line. */
int fault_arm_text(struct fault_set *, const char *text);
/* name NULL: all. -ENOENT: no such fault. */
int fault_clear(struct fault_set *, const char *name);
void fault_list(const struct fault_set *, FILE *out);

#endif
