/* SPDX-License-Identifier: MIT */
/*
 * memory_store.c - `integrity memory`: what a driver returns is what was written there last, or it
 * is EIO, for as long as this process lives.
 *
 * Room:   sandbox/blk/integrity, trusted; a store of integrity_store.h.
 * Tags:   one word for each logical block of the disk, in memory that only this process
 *         has: a hash under a key made at start over the block's address and contents.
 *         The tag is of the latest contents, so older ones fail as foreign ones do.
 * Known:  a block is known from the first time it is read or written; the first read of one
 *         that is not is believed. A failed write or zeroing and any discard make it unknown:
 *         a client must expect anything there. So does a lost cache, for what was changed
 *         and not flushed.
 * Ends:   with the process. Nothing is stored; a successor starts knowing nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "integrity_store.h"
#include "log.h"
#include "siphash.h"

/* Addresses set aside for tags before the disk is known; memory is what is touched. */
#define RF_INTEGRITY_BLOCKS (1ull << 32) /* of a disk, at most */
#define TAG_BYTES (RF_INTEGRITY_BLOCKS * sizeof(uint64_t))
#define UNFLUSHED 65536u /* changes remembered one by one */

/* Values of a tag that no hash is given. */
#define TAG_UNKNOWN 0u
#define TAG_ZEROES  1u
#define TAG_HASH    2u /* a bit that every hash has */

struct changed {
	uint64_t first, count; /* blocks */
};

struct memory {
	struct integrity base; /* first */
	uint64_t         key[2];
	uint64_t        *tag; /* by block */
	uint64_t         blocks;
	bool             cached;  /* the device has a cache that may be lost */
	bool             unsure;  /* something in it is not among unflushed[] */
	uint64_t         acked;   /* changes answered that only a flush makes safe; */
	uint64_t         flushed; /* of these, covered by a flush, or lost */
	struct changed   unflushed[UNFLUSHED]; /* by number of the change, modulo this */
};

static struct memory *memory_of(struct integrity *i)
{
	return (struct memory *)i;
}

static void memory_close(struct integrity *i)
{
	struct memory *m = memory_of(i);

	if (m->tag)
		munmap(m->tag, TAG_BYTES);
	integrity_fini(i);
	munmap(m, sizeof(*m));
}

static int memory_open(const struct rf_blk_below *below, struct integrity **out)
{
	struct memory *m = rf_private_memory(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->base.store = &integrity_memory;
	m->unsure = below->inherited;
	if (!integrity_init(&m->base, below) || !(m->tag = rf_private_memory(TAG_BYTES))) {
		rf_log("integrity needs %llu MiB of memory and %llu GiB of addresses: %s; "
		       "vm.overcommit_memory must not be 2",
		       (unsigned long long)m->base.arena_bytes >> 20,
		       (unsigned long long)TAG_BYTES >> 30, strerror(errno));
		memory_close(&m->base);
		return -ENOMEM;
	}
	if (getrandom(m->key, sizeof(m->key), 0) != sizeof(m->key)) {
		rf_log("integrity: no random key: %s", strerror(errno));
		memory_close(&m->base);
		return -EIO;
	}
	*out = &m->base;
	return 0;
}

static int memory_disk(struct integrity *i, struct rf_blk_info *info)
{
	struct memory *m = memory_of(i);

	i->block = info->block_size;
	m->blocks = info->size / info->block_size;
	m->cached = info->features & RF_BLK_HAS_FLUSH;
	if (m->blocks <= RF_INTEGRITY_BLOCKS)
		return 0;
	rf_blk_refuse(integrity_below(i),
		      "integrity memory is for disks of at most %llu blocks: this one has "
		      "%llu",
		      RF_INTEGRITY_BLOCKS, (unsigned long long)m->blocks);
	return -EFBIG;
}

static uint64_t tag_of(const struct memory *m, uint64_t block, const unsigned char *data)
{
	return rf_siphash(m->key, block, data, m->base.block / 8) | TAG_HASH;
}

static bool all_zero(const unsigned char *data, uint32_t bytes)
{
	return !data[0] && !memcmp(data, data + 1, bytes - 1);
}

static bool tag_fits(const struct memory *m, uint64_t block, const unsigned char *data)
{
	uint64_t tag = m->tag[block];

	return tag == TAG_ZEROES ? all_zero(data, m->base.block)
				 : tag == TAG_UNKNOWN || tag == tag_of(m, block, data);
}

/* Nothing is learnt from an answer that is wrong in any of its blocks. */
static int memory_judge(struct integrity *i, struct integrity_job *job, unsigned char *data)
{
	struct memory *m = memory_of(i);
	uint64_t first = integrity_first(job), last = integrity_last(job);

	for (uint64_t b = first; b <= last; b++)
		if (!tag_fits(m, b, data + (b - first) * i->block)) {
			integrity_caught(i, b * i->block, "data");
			return -EIO;
		}
	for (uint64_t b = first; b <= last; b++)
		if (m->tag[b] == TAG_UNKNOWN)
			m->tag[b] = tag_of(m, b, data + (b - first) * i->block);
	return 0;
}

/* What was never known has no memory yet, and need not get any. */
static void tags_set(struct memory *m, uint64_t first, uint64_t count, uint64_t tag)
{
	for (uint64_t b = first; b < first + count; b++)
		if (m->tag[b] != tag)
			m->tag[b] = tag;
}

static void tags_write(struct memory *m, const struct integrity_job *job)
{
	const unsigned char *data = m->base.filter.shown + job->client->arena;

	for (uint64_t b = integrity_first(job); b <= integrity_last(job);
	     b++, data += m->base.block)
		m->tag[b] = tag_of(m, b, data);
}

static void memory_change(struct integrity *i, struct integrity_job *job)
{
	(void)i;
	integrity_send(job);
}

static void memory_changed(struct integrity *i, struct integrity_job *job, int status)
{
	struct memory *m = memory_of(i);
	const struct rf_io *io = job->client;
	uint64_t first = integrity_first(job), count = io->length / i->block;

	if (!status && io->op == RF_BLK_WRITE)
		tags_write(m, job);
	else
		tags_set(m, first, count,
			 !status && io->op == RF_BLK_ZERO ? TAG_ZEROES : TAG_UNKNOWN);
	m->unsure |= status != 0;
	if (!status && m->cached && !(io->flags & RF_BLK_FUA))
		m->unflushed[++m->acked % UNFLUSHED] = (struct changed){ first, count };
	integrity_finish(job, status);
}

static void memory_flush(struct integrity *i, struct integrity_job *job)
{
	job->cover = memory_of(i)->acked;
}

static void memory_flushed(struct integrity *i, struct integrity_job *job, int status)
{
	struct memory *m = memory_of(i);

	if (!status && job->cover > m->flushed)
		m->flushed = job->cover;
	integrity_finish(job, status);
}

static void memory_lost(struct integrity *i)
{
	struct memory *m = memory_of(i);

	if (m->unsure || m->acked - m->flushed > UNFLUSHED) {
		tags_set(m, 0, m->blocks, TAG_UNKNOWN);
		m->flushed = m->acked;
	}
	while (m->flushed != m->acked) {
		const struct changed *c = &m->unflushed[++m->flushed % UNFLUSHED];

		tags_set(m, c->first, c->count, TAG_UNKNOWN);
	}
}

static bool memory_ready(const struct integrity *i)
{
	(void)i;
	return true;
}

static void memory_expect(struct integrity *i, struct integrity_job *job)
{
	(void)i;
	(void)job;
}

static void memory_event(struct integrity *i)
{
	(void)i;
}

static int memory_back(struct integrity *i)
{
	(void)i;
	return 0;
}

const struct integrity_store integrity_memory = {
	.open = memory_open, .close = memory_close, .disk = memory_disk, .ready = memory_ready,
	.expect = memory_expect, .judge = memory_judge, .change = memory_change,
	.changed = memory_changed, .flush = memory_flush, .flushed = memory_flushed,
	.up = memory_event, .lost = memory_lost, .gone = memory_event, .back = memory_back,
};
