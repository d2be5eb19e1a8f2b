/* SPDX-License-Identifier: MIT */
/*
 * blk_fixture.h - the block service inside a test, with the test as driver.
 *
 * Room:   tests/unit. Includes the service's sources, so that a test sees inside.
 */
#ifndef RF_TEST_SERVED_H
#define RF_TEST_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/clock.c"
#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"
#include "sandbox/blk/arena.c"
#include "sandbox/blk/cache.c"
#include "sandbox/blk/order.c"
#include "sandbox/blk/no_filter.c"
#include "sandbox/session/driver.c"
#include "sandbox/session/steps.c"
#include "sandbox/session/inherited.c"
#include "sandbox/session/open.c"
#include "sandbox/session/session.c"
#include "sandbox/blk/integrity/memory_store.c"
#include "sandbox/blk/integrity/integrity_jobs.c"
#include "sandbox/blk/integrity/integrity_filter.c"
#include "sandbox/blk/integrity/filters.c"
#include "sandbox/blk/info.c"
#include "sandbox/blk/open.c"
#include "sandbox/blk/recover.c"
#include "sandbox/blk/entries.c"
#include "sandbox/blk/ages.c"
#include "sandbox/blk/service.c"
#include "sandbox/blk/sleep.c"
#include "sandbox/lib/siphash.c"
#include "sandbox/blk/latency.c"
#include "sandbox/blk/stats.c"
#include "sandbox/export/format/format.c"
#include "sandbox/blk/integrity/internal_io.c"
#include "sandbox/blk/integrity/disk_store.c"
#include "sandbox/blk/integrity/checkpoint.c"
#include "sandbox/blk/integrity/journal.c"
#include "sandbox/blk/integrity/journal_index.c"
#include "sandbox/blk/integrity/disk_layout.c"
#include "sandbox/blk/integrity/disk_start.c"
#include "sandbox/blk/integrity/tag_table.c"

#include "rig.h"

#ifndef ARENA
#define ARENA (8u << 20)
#endif

/* A request of a test, and what came of it. */
struct ask {
	struct rf_io io; /* first */
	int          done, status;
};

struct served {
	struct rig         rig;
	struct ram         ram;
	struct rf_blk *s;
};

static void ask_done(struct rf_io *io, int status)
{
	struct ask *a = (struct ask *)io;

	a->done++;
	a->status = status;
}

static inline int ask(struct served *t, struct ask *a, uint8_t op, uint64_t offset, uint32_t length)
{
	*a = (struct ask){
		.io = { .op = op, .offset = offset, .length = length, .done = ask_done }
	};
	return rf_blk_submit(t->s, &a->io);
}

static inline void served_up(struct served *t)
{
	rig_send(&t->rig, RF_SVC_UP, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
}

/* The driver dies; its successor is prepared, but not let go. */
static inline void served_down(struct served *t)
{
	struct rf_svc_msg msg;

	rig_down(&t->rig);
	assert_int_equal(rf_blk_control(t->s), 0);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, t->rig.generation);
	ram_attach(&t->ram, &t->rig);
}

static inline void served_cycle(struct served *t)
{
	served_down(t);
	rig_quiesced(&t->rig, 0);
	served_up(t);
}

/* A service whose first driver runs. */
static inline struct served *served_new(uint32_t flags)
{
	struct served *t = calloc(1, sizeof(*t));

	rig_open(&t->rig, ARENA);
	t->rig.config->flags = flags;
	rig_install(&t->rig);
	assert_int_equal(rf_blk_open(&t->s), 0);
	rig_first_up(&t->rig);
	assert_int_equal(rf_blk_control(t->s), 0);
	ram_attach(&t->ram, &t->rig);
	return t;
}

/* A disk is formatted by the service's one client; `turn` is the driver. Exit code. */
static inline int served_format(struct served *t, uint32_t flags, void (*turn)(void *), void *with)
{
	struct rf_format order = { .service = t->s,
				   .volume = 77,
				   .adopt = flags & RF_EXPORT_FORMAT_ADOPT,
				   .again = flags & RF_EXPORT_FORMAT_AGAIN,
				   .turn = turn,
				   .with = with };

	memcpy(order.key, t->rig.config->integrity_key, sizeof(order.key));
	return rf_format(&order);
}

/* What `integrity disk` knows of this service's disk. */
static inline struct disk_store *disk_of(const struct rf_blk *s)
{
	return (struct disk_store *)s->filter;
}

static inline void service_free(struct rf_blk *s)
{
	munmap(s->queue[0].session.data, ARENA);
	munmap(s->queue[0].session.rings, 2 * RF_BLK_CHAN_BYTES);
	munmap(s->table, RF_TABLE_USED(1));
	munmap(s->queue[0].session.stats, RF_STATS_BYTES);
	s->filter->ops->close(s->filter);
	rf_arena_close(&s->arena);
	free(s);
}

static inline void served_free(struct served *t)
{
	service_free(t->s);
	rig_close(&t->rig);
	free(t);
}

/* Publishes and takes what the driver sees next; fails if there is nothing. */
static inline struct rf_blk_req see(struct served *t)
{
	struct rf_blk_req req;

	rf_blk_push(t->s);
	assert_true(ram_take(&t->ram, &req));
	return req;
}

static inline void see_nothing(struct served *t)
{
	struct rf_blk_req req;

	rf_blk_push(t->s);
	assert_false(ram_take(&t->ram, &req));
}

#endif
