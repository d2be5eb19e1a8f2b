/* SPDX-License-Identifier: MIT */
/*
 * nvme_record.c - writes down all that changes on the disk: see record.h.
 *
 * Room:   tests/models. The file is as long as it may get from the start, and sparse. A
 *         record that is full ends the model: half a record would prove nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "nvme_model.h"
#include "record.h"

#define ROOM (4ull << 30)

int record_open(struct store *s, const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, ROOM)) {
		rf_log("%s: %s", file, strerror(errno));
		return -1;
	}
	s->record = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s->record == MAP_FAILED) {
		rf_log("%s: cannot be mapped: %s", file, strerror(errno));
		return -1;
	}
	*s->record = (struct record_head){ .magic = RECORD_MAGIC,
					   .disk_bytes = s->bytes,
					   .block = s->block,
					   .end = RECORD_FIRST };
	return 0;
}

void record_add(struct store *s, uint64_t kind, uint64_t offset, const void *data, uint64_t bytes)
{
	struct record r = { .kind = kind, .offset = offset, .bytes = bytes };

	if (!s->record)
		return;
	uint64_t at = atomic_load(&s->record->end), payload = data ? bytes : 0;
	if (ROOM - at < sizeof(r) + payload)
		rf_die(1, "the record is full");
	memcpy((char *)s->record + at, &r, sizeof(r));
	if (data)
		memcpy((char *)s->record + at + sizeof(r), data, payload);
	atomic_store(&s->record->end, at + sizeof(r) + payload);
}
