/* SPDX-License-Identifier: MIT */
/*
 * feed.c - which request comes next, and what came of the last one.
 *
 * Room:   tests/load.
 * Verify: a block has one request at a time, so that what it must hold is known at
 *         every moment. A write that failed leaves it unknown.
 */
#include <errno.h>
#include <stdlib.h>

#include "load.h"

static inline uint64_t next_random(struct load *l)
{
	uint64_t x = l->random;

	x ^= x << 13;
	x ^= x >> 7;
	return l->random = x ^ x << 17;
}

/* A block number below l->blocks, without a division. */
static inline uint64_t random_block(struct load *l)
{
	return (uint64_t)((unsigned __int128)next_random(l) * l->blocks >> 64);
}

static void *feed_payload(const struct load_slot *slot)
{
	return rf_blk_at(slot->load->disk, slot->io.arena);
}

/* Next written block of the last check; false: that was all. */
static bool sweep_next(struct load *l, uint64_t *block)
{
	while (l->next < l->blocks && !l->written[l->next])
		l->next++;
	*block = l->next;
	return l->next++ < l->blocks;
}

static inline bool choose(struct load *l, struct load_slot *slot)
{
	const struct load_args *a = &l->args;

	if (l->sweep) {
		slot->io.op = RF_BLK_READ;
		return sweep_next(l, &slot->block);
	}
	if (!l->left)
		return false;
	l->left--;
	if (a->mode == LOAD_SEQREAD) {
		slot->block = l->next++;
		if (l->next == l->blocks)
			l->next = 0;
		return true;
	}
	do
		slot->block = random_block(l);
	while (a->verify && l->busy[slot->block]);
	if (a->mode == LOAD_RANDRW)
		slot->io.op = next_random(l) >> 63 ? RF_BLK_READ : RF_BLK_WRITE;
	return true;
}

static void verify_before(struct load *l, struct load_slot *slot)
{
	l->busy[slot->block] = 1;
	if (slot->io.op != RF_BLK_WRITE)
		return;
	if (!++l->serial)
		l->serial = 1;
	slot->serial = l->serial;
	load_pattern_fill(feed_payload(slot), l->args.bs, l->args.seed, slot->block, slot->serial);
}

static void verify_after(struct load *l, struct load_slot *slot)
{
	uint32_t serial = l->written[slot->block];
	int status = slot->status;

	l->busy[slot->block] = 0;
	if (slot->io.op == RF_BLK_WRITE) {
		l->written[slot->block] = status ? 0 : slot->serial;
		return;
	}
	if (status || !serial)
		return;
	l->verified++;
	if (load_pattern_check(feed_payload(slot), l->args.bs, l->args.seed, slot->block, serial))
		return;
	if (!l->mismatches++)
		load_say("block %llu does not hold what write %u put there",
		       (unsigned long long)slot->block, serial);
}

/* Out of line: done() then needs no registers of its own. */
static __attribute__((noinline, cold)) void feed_fail(struct load *l, struct load_slot *slot,
						      int status)
{
	if (!l->errors++)
		load_say("request at block %llu failed: error %d",
		       (unsigned long long)slot->block, -status);
}

static inline void submit(struct load *l, struct load_slot *slot)
{
	slot->io.offset = slot->block * l->args.bs;
	int err = rf_blk_submit(l->disk, &slot->io);
	if (__builtin_expect(err, 0))
		slot->io.done(&slot->io, err);
}

static void done(struct rf_io *io, int status)
{
	struct load_slot *slot = (struct load_slot *)io;
	struct load *l = slot->load;

	slot->status = status;
	l->idle[l->idle_count++] = slot;
	if (__builtin_expect(status, 0))
		feed_fail(l, slot, status);
}

/* Not in done(): what a dead driver had answered is handed out while its successor waits. */
static void verify_done(struct load *l)
{
	while (l->verified_to < l->idle_count)
		verify_after(l, l->idle[l->verified_to++]);
}

/* The loop that is measured: as little as a client can do. */
static void feed_plain(struct load *l)
{
	while (l->idle_count && l->left) {
		struct load_slot *slot = l->idle[--l->idle_count];

		l->left--;
		slot->block = random_block(l);
		submit(l, slot);
	}
}

void load_feed(struct load *l)
{
	if (l->plain) {
		feed_plain(l);
		return;
	}
	for (;;) {
		if (l->args.verify)
			verify_done(l);
		if (!l->idle_count)
			return;
		struct load_slot *slot = l->idle[l->idle_count - 1];

		if (!choose(l, slot))
			return;
		l->verified_to = --l->idle_count;
		if (l->args.verify)
			verify_before(l, slot);
		submit(l, slot);
	}
}

int load_prepare(struct load *l)
{
	const struct rf_blk_info *info = rf_blk_info(l->disk);
	struct load_args *a = &l->args;

	if (!a->span || a->span > info->size)
		a->span = info->size;
	l->blocks = a->span / a->bs;
	if (!l->blocks || a->bs % info->block_size || a->bs > info->max_transfer) {
		load_say("bench: bs=%u does not fit a disk of %llu bytes, block %u, transfer %u",
		       a->bs, (unsigned long long)a->span, info->block_size, info->max_transfer);
		return -EINVAL;
	}
	if (a->verify && (uint64_t)a->qd * 2 > l->blocks) {
		load_say("bench: verify needs a span of at least %u blocks", a->qd * 2);
		return -EINVAL;
	}
	if (a->verify) {
		l->written = calloc(l->blocks, sizeof(*l->written));
		l->busy = calloc(l->blocks, 1);
		if (!l->written || !l->busy) {
			load_say("bench: no memory to verify %llu blocks",
			       (unsigned long long)l->blocks);
			return -ENOMEM;
		}
	}
	l->random = a->seed * 0x9e3779b97f4a7c15ull | 1;
	bool writes = a->mode == LOAD_RANDWRITE;
	l->plain = !a->verify && (writes || a->mode == LOAD_RANDREAD);
	for (uint32_t i = 0; i < a->qd; i++) {
		struct load_slot *slot = &l->slots[i];

		*slot = (struct load_slot){ .load = l };
		slot->io.op = writes ? RF_BLK_WRITE : RF_BLK_READ;
		slot->io.length = a->bs;
		slot->io.queue = a->queues ? (uint16_t)(i % a->queues) : 0;
		slot->io.done = done;
		int err = rf_blk_alloc(l->disk, a->bs, &slot->io.arena);
		if (err) {
			load_say("bench: the arena is too small for qd=%u bs=%u", a->qd, a->bs);
			return err;
		}
		l->idle[l->idle_count++] = slot;
	}
	l->verified_to = l->idle_count;
	return 0;
}
