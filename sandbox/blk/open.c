/* SPDX-License-Identifier: MIT */
/*
 * open.c - finds everything by fd number, maps it, checks its size.
 *
 * Room:   sandbox/blk, trusted. Runs once, before the lock; nothing is mapped or
 *         allocated later.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "core.h"
#include "device_config.h"
#include "service.h"
#include "exit_code.h"
#include "inherited.h"

static int config_check(struct rf_blk *s, const struct rf_export_config *c)
{

	if (c->service != RF_SERVICE_BLOCK) {
		rf_log("%s is no disk", c->name);
		return -ENODEV;
	}
	if (!c->queues || c->queues > RF_MAX_QUEUES) {
		rf_log("%u queues asked for, 1 to %u are possible", c->queues, RF_MAX_QUEUES);
		return -EINVAL;
	}
	int err = rf_arena_open(&s->arena, c->arena_bytes);

	if (err)
		rf_log("an arena of %llu bytes is not possible: %s",
		       (unsigned long long)c->arena_bytes, strerror(-err));
	return err;
}

static int table_map(struct rf_blk *s)
{
	int fd = rf_session_fd(&s->queue[0].session, RF_EXPORT_FD_TABLE);
	size_t bytes = RF_TABLE_USED(s->queues);
	struct stat st;

	if (!fstat(fd, &st) && (uint64_t)st.st_size < bytes && ftruncate(fd, (off_t)bytes)) {
		rf_log("cannot make the in-flight table %zu bytes long: %s", bytes,
		       strerror(errno));
		return -errno;
	}
	return rf_inherited_map(fd, "table", bytes, PROT_READ | PROT_WRITE, &s->table);
}

static int service_map(struct rf_blk *s)
{
	struct rf_session *first = &s->queue[0].session;
	int err;

	if ((err = config_check(s, &first->config)) || (err = rf_session_map(first)) ||
	    (err = table_map(s)))
		return err;
	s->device = (const void *)((const char *)first->stats + RF_STATS_DEVICE);
	for (uint32_t i = 1; i < s->queues; i++)
		rf_session_share(&s->queue[i].session, first, i);
	return 0;
}

/* Before the table is taken over: that makes one where there is none. */
static int filter_choose(struct rf_blk *s, const struct rf_blk_filter_ops *const *ops)
{
	const struct rf_blk_below below = {
		.service = s, .config = &s->queue[0].session.config, .arena = &s->arena,
		.data = s->queue[0].session.data,
		.inherited = s->table->head.magic == RF_TABLE_MAGIC,
	};

	s->none = (struct rf_blk_filter){ &rf_blk_no_filter, s, s->queue[0].session.data };
	s->filter = &s->none;
	while (*ops && !(*ops)->wanted(below.config))
		ops++;
	if (!*ops)
		return 0;
	s->gate |= RF_GATE_FILTER;
	return (*ops)->open(&below, &s->filter);
}

/* With the queues that its configuration says; NULL: no memory. */
static struct rf_blk *service_make(const struct rf_session *first)
{
	uint32_t n = first->config.queues;
	uint32_t queues = !n ? 1 : n > RF_MAX_QUEUES ? RF_MAX_QUEUES : n; /* config_check() */
	size_t bytes = (sizeof(struct rf_blk) + queues * sizeof(struct rf_blk_queue) + 63) &
		       ~(size_t)63;
	struct rf_blk *s = aligned_alloc(64, bytes);

	if (!s)
		return NULL;
	memset(s, 0, bytes);
	s->queues = queues;
	s->queue_tail = &s->queue_head;
	s->queue[0].session = *first;
	RF_EACH_QUEUE(q, s)
		q->disk = s;
	return s;
}

int rf_blk_open_filtered(struct rf_blk **out, int up,
			 const struct rf_blk_filter_ops *const *filters)
{
	struct rf_session first = { 0 };
	struct rf_blk *s = NULL;
	int err = rf_session_open(&first, &rf_blk_session, up);

	if (!err)
		s = service_make(&first);
	if (!s)
		return err ? err : -ENOMEM;
	err = service_map(s);
	if (!err)
		err = filter_choose(s, filters);
	if (err) {
		free(s);
		return err;
	}
	s->arena_bytes = s->queue[0].session.config.arena_bytes;
	rf_routes_set(s);
	rf_table_take_over(s);
	rf_stats_adopt(s);
	RF_EACH_QUEUE(q, s)
		q->notices = (struct rf_notices){ .since_ns = rf_now_ns(),
						  .generation = q->session.queue };
	*out = s;
	return 0;
}

const struct rf_export_config *rf_blk_config(const struct rf_blk *s)
{
	return &s->queue[0].session.config;
}

const struct rf_blk_info *rf_blk_info(const struct rf_blk *s)
{
	const struct rf_session *first = &s->queue[0].session;
	bool ready = first->known && s->filter->ops->ready(s->filter);

	for (uint32_t i = 0; i < first->used; i++)
		ready &= s->queue[i].session.arena_ours;
	return ready ? &s->info : NULL;
}

bool rf_blk_up(const struct rf_blk *s)
{
	for (uint32_t i = 0; i < s->queues; i++)
		if (s->queue[i].session.state == RF_DRIVER_UP)
			return true;
	return false;
}

bool rf_blk_gone(const struct rf_blk *s)
{
	return s->queue[0].session.state == RF_DRIVER_GONE;
}

bool rf_blk_refused(const struct rf_blk *s)
{
	return s->refused;
}

void rf_blk_refuse(struct rf_blk *s, const char *why, ...)
{
	char text[300];
	va_list args;

	va_start(args, why);
	vsnprintf(text, sizeof(text), why, args);
	va_end(args);
	if (!s->queue[0].session.fds_up)
		rf_die(RF_EXIT_INTEGRITY, "%s", text);
	rf_log("%s", text);
	s->refused = true;
}

uint32_t rf_blk_inflight(const struct rf_blk *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->queues; i++)
		n += RF_BLK_DEPTH - s->queue[i].free_count;
	return n;
}

struct rf_stats_service *rf_blk_stats(struct rf_blk *s)
{
	return s->queue[0].session.stats;
}

int rf_blk_alloc(struct rf_blk *s, uint32_t length, uint64_t *arena)
{
	return rf_arena_take(&s->arena, length, arena);
}

void rf_blk_free(struct rf_blk *s, uint64_t arena, uint32_t length)
{
	rf_arena_give(&s->arena, arena, length);
}

void *rf_blk_at(struct rf_blk *s, uint64_t arena)
{
	return s->filter->shown + arena;
}
