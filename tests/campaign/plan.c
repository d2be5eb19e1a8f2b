/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. Room: tests/campaign. */
#include "plan.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "rt_blk.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *const kind_names[KINDS] = {
	[BIT_FLIP] = "bit-flip", [NOP] = "nop", [SOURCE] = "source", [DESTINATION] = "destination",
	[POINTER] = "pointer", [BRANCH] = "branch", [LOOP] = "loop", [PARAMETER] = "parameter",
	[DATA] = "data", [MMIO] = "mmio", [DMA] = "dma", [INTERRUPT] = "interrupt", [TIME] = "time",
	[DEVICE] = "device",
};

/* Of a thousand. */
static const unsigned weights[KINDS] = {
	[BIT_FLIP] = 150, [NOP] = 110, [SOURCE] = 110, [DESTINATION] = 110, [POINTER] = 110,
	[BRANCH] = 90, [LOOP] = 60, [PARAMETER] = 60, [DATA] = 80, [MMIO] = 25, [DMA] = 35,
	[INTERRUPT] = 20, [TIME] = 20, [DEVICE] = 20,
};

/* ---- tables ------------------------------------------------------------------------ */

static struct insn *insn_at(struct plan *p, uint32_t offset)
{
	for (uint32_t i = 0; i < p->insns; i++)
		if (p->insn[i].offset == offset)
			return &p->insn[i];
	return NULL;
}

static int add_mutation(struct plan *p, const char *kind, uint32_t offset, const char *hex)
{
	struct mutation *m = &p->mutation[p->mutations];
	struct insn *insn = insn_at(p, offset);
	unsigned k = 0, byte;

	while (k < KINDS && strcmp(kind_names[k], kind))
		k++;
	if (k == KINDS || !insn || p->mutations == PLAN_MUTS || insn->length > CODE_MOST)
		return -EINVAL;
	m->kind = (enum kind)k;
	m->insn = (uint32_t)(insn - p->insn);
	for (uint32_t i = 0; i < insn->length; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		m->code[i] = (uint8_t)byte;
	}
	p->mutations++;
	return 0;
}

static int add_line(struct plan *p, const char *line)
{
	struct insn *n = &p->insn[p->insns];
	char word[64], hex[2 * CODE_MOST + 1];
	unsigned long long offset;

	if (sscanf(line, "mut %63s %llu %30s", word, &offset, hex) == 3)
		return add_mutation(p, word, (uint32_t)offset, hex);
	if (sscanf(line, "data %63s %llu", word, &offset) == 2) {
		if (!strncmp(word, "rf_devs", 7))
			p->devs = offset;
		if (!strncmp(word, "rf_queues", 9))
			p->queues = offset;
		return 0;
	}
	if (p->insns == PLAN_INSNS ||
	    sscanf(line, "insn %u %u %39s %79s", &n->offset, &n->length, n->function, n->text) != 4)
		return -EINVAL;
	p->insns++;
	return 0;
}

static void profile_line(struct plan *p, const char *line)
{
	unsigned offset;
	char when[16];

	if (sscanf(line, "%u %15s", &offset, when) != 2)
		return;
	struct insn *n = insn_at(p, offset);
	if (n && !strcmp(when, "load"))
		n->runs = true;
	else if (n)
		n->starts = true;
}

int plan_load(struct plan *p, const char *sites, const char *profile)
{
	char line[512];
	FILE *f = fopen(sites, "re");
	int err = f ? 0 : -errno;

	p->insns = p->mutations = 0;
	while (f && !err && fgets(line, sizeof(line), f))
		err = add_line(p, line);
	if (f)
		fclose(f);
	if (!err && !(p->insns && p->devs && p->queues))
		err = -ENODATA;
	if (err || !profile) {
		if (err)
			fprintf(stderr, "inject: %s: not a table of sites.py (%s)\n", sites,
				strerror(-err));
		return err;
	}
	f = fopen(profile, "re");
	if (!f) {
		fprintf(stderr, "inject: %s: %s\n", profile, strerror(errno));
		return -ENOENT;
	}
	while (fgets(line, sizeof(line), f))
		profile_line(p, line);
	fclose(f);
	return 0;
}

int plan_save_profile(const struct plan *p, const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	for (uint32_t i = 0; i < p->insns; i++) {
		if (p->insn[i].runs)
			fprintf(f, "%u load %s\n", p->insn[i].offset, p->insn[i].function);
		else if (p->insn[i].starts)
			fprintf(f, "%u start %s\n", p->insn[i].offset, p->insn[i].function);
	}
	return fclose(f) ? -EIO : 0;
}

/* ---- chance ---------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint32_t below(struct plan *p, uint32_t n)
{
	return (uint32_t)((mix(p->random += 0x9e3779b97f4a7c15u) >> 32) * n >> 32);
}

uint64_t plan_requests(uint64_t seed, uint64_t index)
{
	return mix(mix(seed) + index * 2 + 1);
}

/* ---- one fault of each kind ------------------------------------------------------------- */

static bool function_runs(const struct plan *p, const struct insn *n)
{
	for (uint32_t i = 0; i < p->insns; i++)
		if (p->insn[i].runs && !strcmp(p->insn[i].function, n->function))
			return true;
	return false;
}

static bool wanted(const struct plan *p, const struct insn *n, bool standby, bool any)
{
	return n->runs || (standby && n->starts) || (any && function_runs(p, n));
}

/* The n-th that fits, n by chance, without a list of those that do. */
static void pick_code(struct plan *p, struct fault *f)
{
	bool any = !below(p, 10);
	uint32_t fit = 0, at;

	f->standby = !below(p, 12);
	for (at = 0; at < p->mutations; at++)
		fit += p->mutation[at].kind == f->kind &&
		       wanted(p, &p->insn[p->mutation[at].insn], f->standby, any);
	uint32_t n = fit ? below(p, fit) : 0;
	for (at = 0; at < p->mutations; at++)
		if (p->mutation[at].kind == f->kind &&
		    wanted(p, &p->insn[p->mutation[at].insn], f->standby, any) && !n--)
			break;
	if (at == p->mutations)
		at = 0; /* a driver without a single such site: any other will do */
	f->insn = &p->insn[p->mutation[at].insn];
	memcpy(f->code, p->mutation[at].code, f->insn->length);
	f->offset = f->insn->offset;
}

/* Its new bytes are made when the old ones were read. */
static void pick_bit(struct plan *p, struct fault *f)
{
	bool any = !below(p, 10);
	const struct insn *n;

	f->standby = !below(p, 12);
	do
		n = &p->insn[below(p, p->insns)];
	while (!wanted(p, n, f->standby, any));
	f->insn = n;
	f->offset = n->offset;
	f->bit = below(p, n->length * 8);
}

/* The first queue's variables, and of its tables what few requests use. */
static void pick_data(struct plan *p, struct fault *f)
{
	const struct { uint64_t offset, bytes; } part[] = {
		{p->devs, 104},
		{p->queues, offsetof(struct rf_blk_queue, free)},
		{p->queues + offsetof(struct rf_blk_queue, free), 48},
		{p->queues + offsetof(struct rf_blk_queue, busy), 24},
		{p->queues + offsetof(struct rf_blk_queue, id), 16 * 8},
	};
	unsigned which = below(p, COUNT(part));

	f->offset = (part[which].offset & ~7ull) + below(p, (uint32_t)part[which].bytes / 8) * 8;
	f->bit = below(p, 64);
}

static void device(struct fault *f, const char *name, const char *more, unsigned long long arg)
{
	char text[64];

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(text, sizeof(text), more, arg);
	snprintf(f->command, sizeof(f->command), "fault %s %s\n", name, text);
}

static void pick_interrupt(struct plan *p, struct fault *f)
{
	static const char *const names[] = { "irq-lost", "irq-duplicate", "irq-spurious",
					     "irq-storm" };

	device(f, names[below(p, COUNT(names))], "count %llu", 1 + below(p, 4));
}

static void pick_time(struct plan *p, struct fault *f)
{
	if (below(p, 2))
		device(f, "slow", "count 32 arg %llu", 100u + below(p, 20000));
	else
		f->stop_ms = 1 + below(p, 60);
}

/* after: opportunities let pass. */
static const struct hostile {
	const char *name;
	bool at_recovery, breaks_device;
} hostile[] = {
	{"bad-cid"}, {"bad-phase"}, {"wrong-length"}, {"stale-data"}, {"corrupt-data"},
	{"misdirected-read"}, {"misdirected-write"}, {"lost-write"}, {"torn-write"},
	{"dma-outside"},
	{"io-error"}, {"hang"}, {"cfs"}, {"poison-lba"}, {"poison-lba-hang"},
	{"all-ones", false, true}, {"never-ready", true, true}, {"admin-lost", true, true},
	{"admin-error", true, true}, {"reply-late", true, true}, {"reply-lost", true, true},
	{"reply-short", true, true}, {"reply-wrong-id", true, true}, {"reply-error", true, true},
	{"disconnect", true, true}, {"garbage", true, true},
};

static void pick_device(struct plan *p, struct fault *f)
{
	const struct hostile *h = &hostile[below(p, COUNT(hostile))];

	device(f, h->name, "after %llu", h->at_recovery ? below(p, 3) : below(p, 20));
	f->at_recovery = h->at_recovery;
	f->breaks_device = h->breaks_device;
}

static void pick_kind(struct plan *p, struct fault *f)
{
	unsigned n = 0, left;

	for (unsigned k = 0; k < KINDS; k++)
		n += weights[k];
	left = below(p, n);
	for (unsigned k = 0; k < KINDS; left -= weights[k++])
		if (left < weights[k]) {
			f->kind = (enum kind)k;
			return;
		}
}

void plan_fault(struct plan *p, uint64_t seed, uint64_t index, struct fault *f)
{
	p->random = mix(mix(seed) + index * 2);
	*f = (struct fault){.index = index};
	pick_kind(p, f);
	if (f->kind == BIT_FLIP)
		pick_bit(p, f);
	else if (kind_is_code(f->kind))
		pick_code(p, f);
	else if (f->kind == DATA)
		pick_data(p, f);
	else if (f->kind == MMIO)
		device(f, "bad-doorbell", "arg %llu", 1ull << below(p, 12));
	else if (f->kind == DMA)
		device(f, below(p, 2) ? "sqe-bit" : "cqe-bit", "arg %llu", below(p, 512));
	else if (f->kind == INTERRUPT)
		pick_interrupt(p, f);
	else if (f->kind == TIME)
		pick_time(p, f);
	else
		pick_device(p, f);
}
