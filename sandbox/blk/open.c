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

static int config_check(struct rf_blk *s)
{
	const struct rf_export_config *c = &s->session.config;

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
	int fd = rf_session_fd(&s->session, RF_EXPORT_FD_TABLE);
	struct stat st;

	if (!fstat(fd, &st) && (uint64_t)st.st_size < RF_TABLE_USED &&
	    ftruncate(fd, RF_TABLE_USED)) {
		rf_log("cannot make the in-flight table %zu bytes long: %s", RF_TABLE_USED,
		       strerror(errno));
		return -errno;
	}
	return rf_inherited_map(fd, "table", RF_TABLE_USED, PROT_READ | PROT_WRITE, &s->table);
}

static int service_map(struct rf_blk *s, int up)
{
	int err;

	if ((err = rf_session_open(&s->session, &rf_blk_session, up)) || (err = config_check(s)) ||
	    (err = rf_session_map(&s->session)) || (err = table_map(s)))
		return err;
	s->device = (const void *)((const char *)s->session.stats + RF_STATS_DEVICE);
	return 0;
}

/* Before the table is taken over: that makes one where there is none. */
static int filter_choose(struct rf_blk *s, const struct rf_blk_filter_ops *const *ops)
{
	const struct rf_blk_below below = {
		.service = s, .config = &s->session.config, .arena = &s->arena,
		.data = s->session.data,
		.inherited = s->table->head.magic == RF_TABLE_MAGIC,
	};

	s->none = (struct rf_blk_filter){ &rf_blk_no_filter, s, s->session.data };
	s->filter = &s->none;
	while (*ops && !(*ops)->wanted(&s->session.config))
		ops++;
	if (!*ops)
		return 0;
	s->session.gate |= RF_GATE_FILTER;
	return (*ops)->open(&below, &s->filter);
}

int rf_blk_open_filtered(struct rf_blk **out, int up,
			 const struct rf_blk_filter_ops *const *filters)
{
	struct rf_blk *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->queue_tail = &s->queue_head;
	int err = service_map(s, up);
	if (!err)
		err = filter_choose(s, filters);
	if (err) {
		free(s);
		return err;
	}
	s->arena_bytes = s->session.config.arena_bytes;
	rf_table_take_over(s);
	rf_stats_adopt(s);
	s->notices.since_ns = rf_now_ns();
	*out = s;
	return 0;
}

const struct rf_export_config *rf_blk_config(const struct rf_blk *s)
{
	return &s->session.config;
}

const struct rf_blk_info *rf_blk_info(const struct rf_blk *s)
{
	bool ready = s->session.known && s->session.arena_ours &&
		     s->filter->ops->ready(s->filter);

	return ready ? &s->info : NULL;
}

bool rf_blk_up(const struct rf_blk *s)
{
	return s->session.state == RF_DRIVER_UP;
}

bool rf_blk_gone(const struct rf_blk *s)
{
	return s->session.state == RF_DRIVER_GONE;
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
	if (!s->session.fds_up)
		rf_die(RF_EXIT_INTEGRITY, "%s", text);
	rf_log("%s", text);
	s->refused = true;
}

uint32_t rf_blk_inflight(const struct rf_blk *s)
{
	return RF_BLK_DEPTH - s->free_count;
}

struct rf_stats_service *rf_blk_stats(struct rf_blk *s)
{
	return s->session.stats;
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
