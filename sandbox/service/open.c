/* SPDX-License-Identifier: MIT */
/*
 * open.c - finds everything by fd number, maps it, checks its size.
 *
 * Room:   sandbox/service, trusted. Runs once, before the lock; nothing is mapped or
 *         allocated later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

static int map_fd(int fd, const char *what, uint64_t bytes, int prot, void *out)
{
	struct stat st;

	if (fstat(fd, &st)) {
		rf_log("fd %d (%s) was not handed over: %s", fd, what, strerror(errno));
		return -errno;
	}
	if ((uint64_t)st.st_size < bytes) {
		rf_log("fd %d (%s) has %lld bytes, needs %llu", fd, what, (long long)st.st_size,
		       (unsigned long long)bytes);
		return -EINVAL;
	}
	void *at = mmap(NULL, bytes, prot, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED) {
		rf_log("cannot map %llu bytes of fd %d (%s): %s", (unsigned long long)bytes, fd,
		       what, strerror(errno));
		return -errno;
	}
	*(void **)out = at;
	return 0;
}

static int config_read(struct rf_service *s)
{
	struct rf_export_config *shared, *c = &s->config;
	int err = map_fd(rf_service_fd(s, RF_EXPORT_FD_CONFIG), "config", sizeof(*shared), PROT_READ, &shared);

	if (err)
		return err;
	*c = *shared;
	munmap(shared, sizeof(*shared));
	c->name[sizeof(c->name) - 1] = '\0';
	c->bench[sizeof(c->bench) - 1] = '\0';
	if (!c->queues || c->queues > RF_MAX_QUEUES) {
		rf_log("%u queues asked for, 1 to %u are possible", c->queues, RF_MAX_QUEUES);
		return -EINVAL;
	}
	err = rf_arena_open(&s->arena, c->arena_bytes);
	if (err)
		rf_log("an arena of %llu bytes is not possible: %s",
		       (unsigned long long)c->arena_bytes, strerror(-err));
	return err;
}

/* What a dead predecessor left in the table is forgotten: see table.h. */
static void table_open(struct rf_service *s)
{
	struct rf_table_head want = { .magic = RF_TABLE_MAGIC, .version = RF_TABLE_VERSION,
				      .depth = RF_BLK_DEPTH,
				      .entry_bytes = sizeof(struct rf_table_entry) };
	struct rf_table_head *head = &s->table->head;
	uint32_t found = 0;

	if (head->magic == want.magic && head->version == want.version) {
		want.unflushed = head->unflushed;
		want.untold = head->untold;
		s->acked = head->unflushed != 0;
		s->flush_fails = head->untold != 0;
		for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
			found += s->table->entry[i].state != RF_ENTRY_FREE;
	}
	if (found)
		rf_log("a predecessor died with %u requests unanswered; their clients will send "
		       "them again", found);
	memset(s->table, 0, sizeof(*s->table));
	*head = want;
	s->entry = s->table->entry;
	s->free_count = RF_BLK_DEPTH;
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		s->entry[i].next_tag = i | RF_TAG_LIVE;
		s->free[RF_BLK_DEPTH - 1 - i] = &s->entry[i];
	}
}

static int map_all(struct rf_service *s)
{
	struct stat st;
	int err = config_read(s);

	if (err)
		return err;
	if (!fstat(rf_service_fd(s, RF_EXPORT_FD_TABLE), &st) && (uint64_t)st.st_size < RF_TABLE_USED &&
	    ftruncate(rf_service_fd(s, RF_EXPORT_FD_TABLE), RF_TABLE_USED)) {
		rf_log("cannot make the in-flight table %zu bytes long: %s", RF_TABLE_USED,
		       strerror(errno));
		return -errno;
	}
	const int rw = PROT_READ | PROT_WRITE;
	const uint64_t rings = 2ull * s->config.queues * RF_BLK_CHAN_BYTES;
	if ((err = map_fd(rf_service_fd(s, RF_EXPORT_FD_DATA), "arena", s->config.arena_bytes, rw, &s->data)) ||
	    (err = map_fd(rf_service_fd(s, RF_EXPORT_FD_RINGS), "rings", rings, rw, &s->rings)) ||
	    (err = map_fd(rf_service_fd(s, RF_EXPORT_FD_TABLE), "table", RF_TABLE_USED, rw, &s->table)) ||
	    (err = map_fd(rf_service_fd(s, RF_EXPORT_FD_STATS), "stats", RF_STATS_DEVICE, rw, &s->stats)))
		return err;
	/* A driver that could read the kick eventfd empty must not be able to stop us. */
	int flags = fcntl(rf_service_fd(s, RF_EXPORT_FD_KICK), F_GETFL);
	if (flags < 0 || fcntl(rf_service_fd(s, RF_EXPORT_FD_KICK), F_SETFL, flags | O_NONBLOCK)) {
		rf_log("fd %d (kick) was not handed over: %s", rf_service_fd(s, RF_EXPORT_FD_KICK), strerror(errno));
		return -errno;
	}
	return 0;
}

int rf_service_open_at(struct rf_service **out, int up)
{
	struct rf_service *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->fds_up = up;
	s->gate = RF_GATE_DRIVER;
	s->queue_tail = &s->queue_head;
	int err = map_all(s);
	if (err) {
		free(s);
		return err;
	}
	s->arena_bytes = s->config.arena_bytes;
	table_open(s);
	rf_stats_adopt(s);
	*out = s;
	return 0;
}

int rf_service_open(struct rf_service **out)
{
	return rf_service_open_at(out, 0);
}

struct rf_blk_chan *rf_service_chan(struct rf_service *s, uint32_t half)
{
	return (void *)(s->rings + (uint64_t)half * s->config.queues * RF_BLK_CHAN_BYTES);
}

const struct rf_export_config *rf_service_config(const struct rf_service *s)
{
	return &s->config;
}

const struct rf_blk_info *rf_service_info(const struct rf_service *s)
{
	return s->info_known && s->arena_ours ? &s->info : NULL;
}

bool rf_service_up(const struct rf_service *s)
{
	return s->state == RF_DRIVER_UP;
}

bool rf_service_gone(const struct rf_service *s)
{
	return s->state == RF_DRIVER_GONE;
}

uint32_t rf_service_losses(const struct rf_service *s)
{
	return s->losses;
}

uint32_t rf_service_inflight(const struct rf_service *s)
{
	return RF_BLK_DEPTH - s->free_count;
}

struct rf_stats_service *rf_service_stats(struct rf_service *s)
{
	return s->stats;
}

int rf_arena_alloc(struct rf_service *s, uint32_t length, uint64_t *arena)
{
	return rf_arena_take(&s->arena, length, arena);
}

void rf_arena_free(struct rf_service *s, uint64_t arena, uint32_t length)
{
	rf_arena_give(&s->arena, arena, length);
}

void *rf_arena_at(struct rf_service *s, uint64_t arena)
{
	return s->data + arena;
}
