/* SPDX-License-Identifier: MIT */
/*
 * plan.h - which fault number INDEX of seed SEED is.
 *
 * Room:   tests/campaign.
 * Replay: a fault follows from seed, index, the table of sites (sites.py) and the profile,
 *         which both belong to one driver image.
 * Sites:  code faults hit instructions of functions that run; nine in ten of them those that
 *         the profile saw run.
 */
#ifndef CAMPAIGN_PLAN_H
#define CAMPAIGN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_INSNS 8192u
#define PLAN_MUTS  65536u
#define CODE_MOST  15u

enum kind {
	/* machine code */
	BIT_FLIP, NOP, SOURCE, DESTINATION, POINTER, BRANCH, LOOP, PARAMETER,
	/* what code works with */
	DATA, MMIO, DMA, INTERRUPT, TIME,
	/* a device that misbehaves */
	DEVICE,
	KINDS
};
extern const char *const kind_names[KINDS];
static inline bool kind_is_code(enum kind k)
{
	return k <= PARAMETER;
}

struct insn {
	uint32_t offset, length;
	char     function[40], text[80];
	bool     runs, starts; /* seen to run under load; while a driver starts */
};

struct mutation {
	enum kind kind;
	uint32_t  insn; /* index */
	uint8_t   code[CODE_MOST];
};

struct plan {
	struct insn     insn[PLAN_INSNS];
	struct mutation mutation[PLAN_MUTS];
	uint32_t        insns, mutations;
	uint64_t        devs, queues; /* the driver's variables: offsets in its image */
	uint64_t        random;
};

struct fault {
	uint64_t  index;
	enum kind kind;
	bool      standby;         /* planted before the driver's first instruction */
	const struct insn *insn;   /* code */
	uint8_t   code[CODE_MOST];
	uint64_t  offset;          /* code, data: where in the image */
	unsigned  bit;             /* data */
	char      command[96];     /* to the model; empty: stop the driver for stop_ms */
	char      name[24];        /* of the model's fault */
	unsigned  stop_ms;
	bool      at_recovery;     /* strikes only while a driver is replaced */
	bool      breaks_device;   /* the device process may end of it, or the device be given up */
};

/* 0, or -errno after one line. `profile` NULL: everything counts as run. */
int plan_load(struct plan *, const char *sites, const char *profile);
int plan_save_profile(const struct plan *, const char *path);
void plan_fault(struct plan *, uint64_t seed, uint64_t index, struct fault *);
/* Seed of the requests that go with a fault. */
uint64_t plan_requests(uint64_t seed, uint64_t index);

#endif
