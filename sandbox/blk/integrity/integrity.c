/* SPDX-License-Identifier: MIT */
/* integrity.c - see integrity.h. Room: sandbox/blk/integrity, trusted. */
#include "integrity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "log.h"
#include "service.h"
#include "siphash.h"

/* Addresses set aside for tags before the disk is known; memory is what is touched. */
#define TAG_BYTES (RF_INTEGRITY_BLOCKS * sizeof(uint64_t))
#define UNFLUSHED 65536u /* changes remembered one by one */

/* Values of a tag that no hash is given. */
#define TAG_UNKNOWN 0u
#define TAG_ZEROES  1u
#define TAG_HASH    2u /* a bit that every hash has */

struct changed {
	uint64_t first, count; /* blocks */
};

struct rf_integrity {
	uint64_t       key[2];
	uint64_t      *tag; /* by block */
	uint64_t       blocks, bytes;
	uint32_t       block;
	bool           unsure; /* something in the device's cache is not among unflushed[] */
	uint64_t       caught;
	unsigned char *arena, *own;
	struct changed unflushed[UNFLUSHED]; /* by number of the change, modulo this */
};

void *rf_private_memory(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int rf_integrity_open(struct rf_integrity **out, unsigned char *arena, uint64_t bytes, bool heir)
{
	struct rf_integrity *i = calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	*i = (struct rf_integrity){ .arena = arena, .bytes = bytes, .unsure = heir };
	*out = i;
	if (getrandom(i->key, sizeof(i->key), 0) != sizeof(i->key)) {
		rf_log("integrity: no random key: %s", strerror(errno));
		rf_integrity_close(i);
		return -EIO;
	}
	i->own = rf_private_memory(bytes);
	i->tag = rf_private_memory(TAG_BYTES);
	if (i->own && i->tag)
		return 0;
	rf_log("integrity needs %llu MiB of memory and %llu GiB of addresses: %s; "
	       "vm.overcommit_memory must not be 2", (unsigned long long)bytes >> 20,
	       (unsigned long long)TAG_BYTES >> 30, strerror(errno));
	rf_integrity_close(i);
	return -ENOMEM;
}

void rf_integrity_close(struct rf_integrity *i)
{
	if (i->own)
		munmap(i->own, i->bytes);
	if (i->tag)
		munmap(i->tag, TAG_BYTES);
	free(i);
}

bool rf_integrity_disk(struct rf_integrity *i, uint64_t size, uint32_t block)
{
	i->block = block;
	i->blocks = size / block;
	return i->blocks <= RF_INTEGRITY_BLOCKS;
}

void *rf_integrity_at(struct rf_integrity *i, uint64_t arena)
{
	return i->own + arena;
}

uint64_t rf_integrity_caught(const struct rf_integrity *i)
{
	return i->caught;
}

void rf_integrity_submit(struct rf_integrity *i, const struct rf_io *io)
{
	if (io->op == RF_BLK_WRITE)
		memcpy(i->arena + io->arena, i->own + io->arena, io->length);
}

static uint64_t tag_of(const struct rf_integrity *i, uint64_t block, const unsigned char *data)
{
	return rf_siphash(i->key, block, data, i->block / 8) | TAG_HASH;
}

static bool all_zero(const unsigned char *data, uint32_t bytes)
{
	return !data[0] && !memcmp(data, data + 1, bytes - 1);
}

static bool tag_fits(const struct rf_integrity *i, uint64_t block, const unsigned char *data)
{
	uint64_t tag = i->tag[block];

	return tag == TAG_ZEROES ? all_zero(data, i->block)
				 : tag == TAG_UNKNOWN || tag == tag_of(i, block, data);
}

static int lie_caught(struct rf_integrity *i, uint64_t block)
{
	i->caught++;
	/* A driver that lies all the time shall not fill the log. */
	if (!(i->caught & (i->caught - 1)))
		rf_log("read at %llu fails with EIO: what came is not what the disk must hold "
		       "there (%llu such reads so far)", (unsigned long long)(block * i->block),
		       (unsigned long long)i->caught);
	return -EIO;
}

/* Nothing is learnt from an answer that is wrong in any of its blocks. */
static int read_check(struct rf_integrity *i, const struct rf_blk_req *req)
{
	uint64_t first = req->offset / i->block;
	uint32_t count = req->length / i->block;
	unsigned char *data = i->own + req->arena;

	memcpy(data, i->arena + req->arena, req->length);
	for (uint32_t n = 0; n < count; n++)
		if (!tag_fits(i, first + n, data + (uint64_t)n * i->block))
			return lie_caught(i, first + n);
	for (uint32_t n = 0; n < count; n++)
		if (i->tag[first + n] == TAG_UNKNOWN)
			i->tag[first + n] = tag_of(i, first + n, data + (uint64_t)n * i->block);
	return 0;
}

/* What was never known has no memory yet, and need not get any. */
static void tags_set(struct rf_integrity *i, uint64_t first, uint64_t count, uint64_t tag)
{
	for (uint64_t b = first; b < first + count; b++)
		if (i->tag[b] != tag)
			i->tag[b] = tag;
}

static void tags_write(struct rf_integrity *i, const struct rf_blk_req *req)
{
	uint64_t first = req->offset / i->block;

	for (uint32_t n = 0; n < req->length / i->block; n++)
		i->tag[first + n] = tag_of(i, first + n, i->own + req->arena + (uint64_t)n * i->block);
}

int rf_integrity_answer(struct rf_integrity *i, const struct rf_blk_req *req, int status)
{
	if (req->op == RF_BLK_READ)
		return status ? status : read_check(i, req);
	if (!status && req->op == RF_BLK_WRITE)
		tags_write(i, req);
	else
		tags_set(i, req->offset / i->block, req->length / i->block,
		     !status && req->op == RF_BLK_ZERO ? TAG_ZEROES : TAG_UNKNOWN);
	i->unsure |= status != 0;
	return status;
}

void rf_integrity_acked(struct rf_integrity *i, uint64_t n, const struct rf_blk_req *req)
{
	i->unflushed[n % UNFLUSHED] = (struct changed){ req->offset / i->block,
							 req->length / i->block };
}

void rf_integrity_lost(struct rf_integrity *i, uint64_t from, uint64_t to)
{
	if (i->unsure || to - from > UNFLUSHED) {
		tags_set(i, 0, i->blocks, TAG_UNKNOWN);
		return;
	}
	while (from++ != to) {
		const struct changed *c = &i->unflushed[from % UNFLUSHED];

		tags_set(i, c->first, c->count, TAG_UNKNOWN);
	}
}
