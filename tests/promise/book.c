/* SPDX-License-Identifier: MIT */
/* book.c - see promise.h. Room: tests/promise. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

#define WORDS (BLOCK / 8)
#define STAMP 0x70726f6d69736521ull

void lines_add(struct lines *l, struct line line)
{
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->line = realloc(l->line, l->room * sizeof(*l->line));
		if (!l->line)
			fail("out of memory");
	}
	l->line[l->count++] = line;
}

static uint64_t *by_block(uint32_t blocks)
{
	uint64_t *p = calloc(blocks, sizeof(*p));

	return p ? p : (fail("out of memory"), NULL);
}

void book_open(struct book *b, uint32_t blocks, const char *record)
{
	struct stat st;

	*b = (struct book){ .blocks = blocks,
			    .newest = by_block(blocks),
			    .zeroed = by_block(blocks),
			    .acked = by_block(blocks),
			    .kept = by_block(blocks) };
	if (!record)
		return;
	int fd = open(record, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail("%s: cannot be read", record);
	b->record = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (b->record == MAP_FAILED || b->record->magic != RECORD_MAGIC ||
	    b->record->block != BLOCK)
		fail("%s: no record of a disk with blocks of %u bytes", record, BLOCK);
	close(fd);
}

/* Every word depends on block, version and its own place: torn and swapped ones show. */
static void pattern(uint64_t *word, uint32_t block, uint64_t version)
{
	uint64_t mix = (version * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)block << 20);

	word[0] = STAMP;
	word[1] = block;
	word[2] = version;
	for (unsigned i = 3; i < WORDS; i++)
		word[i] = mix += 0xbf58476d1ce4e5b9ull;
}

void block_fill(void *data, uint32_t block, uint64_t version)
{
	uint64_t word[WORDS];

	pattern(word, block, version);
	memcpy(data, word, BLOCK);
}

uint64_t block_version(const void *data, uint32_t block)
{
	uint64_t word[WORDS], want[WORDS] = { 0 };

	memcpy(word, data, BLOCK);
	if (word[0] == STAMP)
		pattern(want, block, word[2]);
	return memcmp(word, want, BLOCK) ? ~0ull : word[2];
}

static uint64_t place(const struct book *b)
{
	return b->record ? atomic_load(&b->record->end) : 0;
}

static void promise(struct book *b, uint32_t block, uint64_t version)
{
	if (version <= b->kept[block])
		return;
	b->kept[block] = version;
	if (b->record)
		lines_add(&b->promises, (struct line){ place(b), version, block });
}

void book_asked(struct book *b, struct request *r)
{
	r->serial = ++b->serial;
	r->covers.count = 0;
	for (uint32_t i = 0; i < r->blocks; i++) {
		uint32_t at = r->block + i;

		if (r->kind == READ) {
			r->low[i] = b->loses ? b->kept[at] : b->newest[at];
			continue;
		}
		b->newest[at] = r->serial;
		if (r->kind == ZERO) {
			b->zeroed[at] = r->serial;
			if (b->record)
				lines_add(&b->zeroes, (struct line){ place(b), r->serial, at });
		}
	}
	for (uint32_t at = 0; r->kind == FLUSH && at < b->blocks; at++)
		if (b->acked[at] > b->kept[at])
			lines_add(&r->covers, (struct line){ 0, b->acked[at], at });
}

bool book_read(const struct book *b, const struct request *r, const unsigned char *data)
{
	for (uint32_t i = 0; i < r->blocks; i++) {
		uint32_t at = r->block + i;
		uint64_t version = block_version(data + (size_t)i * BLOCK, at);

		if (!version)
			version = b->zeroed[at];
		if (version >= r->low[i] && version <= b->newest[at])
			continue;
		fprintf(stderr, "block %u reads as version %lld, not %llu to %llu\n", at,
			(long long)version, (unsigned long long)r->low[i],
			(unsigned long long)b->newest[at]);
		return false;
	}
	return true;
}

void book_answered(struct book *b, struct request *r)
{
	for (uint32_t i = 0; r->kind != READ && i < r->blocks; i++) {
		if (b->acked[r->block + i] < r->serial)
			b->acked[r->block + i] = r->serial;
		if (r->fua)
			promise(b, r->block + i, r->serial);
	}
	for (size_t i = 0; r->kind == FLUSH && i < r->covers.count; i++)
		promise(b, r->covers.line[i].block, r->covers.line[i].version);
}

void book_lost(struct book *b, struct request *all, unsigned count)
{
	if (!b->loses)
		return;
	memcpy(b->acked, b->kept, b->blocks * sizeof(*b->acked));
	for (unsigned i = 0; i < count; i++)
		if (all[i].busy)
			all[i].covers.count = 0;
}
