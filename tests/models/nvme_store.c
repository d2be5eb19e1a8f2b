/* SPDX-License-Identifier: MIT */
/*
 * nvme_store.c - the bytes of the disk: memory or a file, and a volatile write cache that
 * really forgets.
 *
 * Room:   tests/models.
 * Cache:  the newest data is always in place, so that reads need not look twice. What
 *         stable storage would still hold is kept aside block by block until a flush, and
 *         is put back by a power cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "nvme_model.h"

static void *anonymous(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_file(struct store *s, const char *file)
{
	struct stat st;

	s->fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->fd < 0 || fstat(s->fd, &st)) {
		rf_log("%s: %s", file, strerror(errno));
		return -1;
	}
	/* --size, where given, makes it that long; else it is as long as it is. */
	if (s->bytes && ftruncate(s->fd, (off_t)s->bytes)) {
		rf_log("%s: cannot be made %llu bytes long: %s", file, (unsigned long long)s->bytes,
		       strerror(errno));
		return -1;
	}
	if (!s->bytes)
		s->bytes = (uint64_t)st.st_size & ~(uint64_t)(s->block - 1);
	return 0;
}

int store_open(struct store *s, const char *file)
{
	s->fd = -1;
	if (file && open_file(s, file))
		return -1;
	if (!s->bytes || s->bytes % s->block) {
		rf_log("the disk's size must be a multiple of %u and not 0: give --size", s->block);
		return -1;
	}
	if (!file && !(s->memory = anonymous(s->bytes))) {
		rf_log("no memory for a disk of %llu bytes", (unsigned long long)s->bytes);
		return -1;
	}
	if (s->cached && !(s->undo_of = anonymous(s->bytes / s->block * sizeof(*s->undo_of)))) {
		rf_log("no memory for the cache's books");
		return -1;
	}
	return 0;
}

void store_close(struct store *s)
{
	if (s->memory)
		munmap(s->memory, s->bytes);
	if (s->undo_of)
		munmap(s->undo_of, s->bytes / s->block * sizeof(*s->undo_of));
	if (s->fd >= 0)
		close(s->fd);
	free(s->undo);
	free(s->undo_block);
}

static int file_move(struct store *s, uint64_t offset, void *data, uint64_t bytes, bool write)
{
	while (bytes) {
		ssize_t n = write ? pwrite(s->fd, data, bytes, (off_t)offset) :
				    pread(s->fd, data, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		data = (char *)data + n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int store_read(struct store *s, uint64_t offset, void *to, uint64_t bytes)
{
	if (!s->memory)
		return file_move(s, offset, to, bytes, false);
	memcpy(to, s->memory + offset, bytes);
	return 0;
}

/* ---- the volatile cache --------------------------------------------------------------- */

static int undo_grow(struct store *s)
{
	uint32_t room = s->undo_room ? s->undo_room * 2 : 64;
	void *undo = realloc(s->undo, (size_t)room * s->block);
	void *blocks;

	if (!undo)
		return -EIO;
	s->undo = undo;
	if (!(blocks = realloc(s->undo_block, room * sizeof(*s->undo_block))))
		return -EIO;
	s->undo_block = blocks;
	s->undo_room = room;
	return 0;
}

/* Keeps aside what is stable of these blocks, before the first write over it. */
static int remember(struct store *s, uint64_t offset, uint64_t bytes)
{
	for (uint64_t b = offset / s->block; b <= (offset + bytes - 1) / s->block; b++) {
		if (s->undo_of[b])
			continue;
		if (s->undo_count == s->undo_room && undo_grow(s))
			return -EIO;
		if (store_read(s, b * s->block, s->undo + (size_t)s->undo_count * s->block,
			       s->block))
			return -EIO;
		s->undo_block[s->undo_count++] = b;
		s->undo_of[b] = s->undo_count;
	}
	return 0;
}

int store_settle(struct store *s, uint64_t offset, uint64_t bytes)
{
	for (uint64_t b = offset / s->block; s->cached && b <= (offset + bytes - 1) / s->block; b++)
		if (s->undo_of[b] &&
		    store_read(s, b * s->block, s->undo + (size_t)(s->undo_of[b] - 1) * s->block,
			       s->block))
			return -EIO;
	if (!s->memory && fdatasync(s->fd))
		return -EIO;
	record_add(s, RECORD_SETTLE, offset, NULL, bytes);
	return 0;
}

int store_flush(struct store *s)
{
	for (uint32_t i = 0; i < s->undo_count; i++)
		s->undo_of[s->undo_block[i]] = 0;
	s->undo_count = 0;
	if (!s->memory && fdatasync(s->fd))
		return -EIO;
	record_add(s, RECORD_FLUSH, 0, NULL, 0);
	return 0;
}

uint64_t store_power_cut(struct store *s)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < s->undo_count; i++) {
		if (fault_random(&s->chance) % 100 < s->kept_percent)
			continue;
		lost++;
		uint64_t at = s->undo_block[i] * s->block;
		unsigned char *old = s->undo + (size_t)i * s->block;
		record_add(s, RECORD_WRITE, at, old, s->block);
		if (s->memory)
			memcpy(s->memory + at, old, s->block);
		else
			(void)file_move(s, at, old, s->block, true);
	}
	(void)store_flush(s);
	return lost;
}

/* ---- writing ------------------------------------------------------------------------------ */

int store_write(struct store *s, uint64_t offset, const void *from, uint64_t bytes)
{
	if (s->cached && remember(s, offset, bytes))
		return -EIO;
	record_add(s, RECORD_WRITE, offset, from, bytes);
	if (!s->memory)
		return file_move(s, offset, (void *)(uintptr_t)from, bytes, true);
	memcpy(s->memory + offset, from, bytes);
	return 0;
}

int store_zero(struct store *s, uint64_t offset, uint64_t bytes)
{
	if (s->cached && remember(s, offset, bytes))
		return -EIO;
	record_add(s, RECORD_ZERO, offset, NULL, bytes);
	if (s->memory) {
		memset(s->memory + offset, 0, bytes);
		return 0;
	}
	if (!fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		       (off_t)bytes))
		return 0;
	static const unsigned char zeroes[65536];
	while (bytes) {
		uint64_t n = bytes < sizeof(zeroes) ? bytes : sizeof(zeroes);
		if (file_move(s, offset, (void *)(uintptr_t)zeroes, n, true))
			return -EIO;
		offset += n;
		bytes -= n;
	}
	return 0;
}
