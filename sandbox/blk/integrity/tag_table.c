/* SPDX-License-Identifier: MIT */
/*
 * tag_table.c - the table of tags: pages of it in memory.
 *
 * Room:   sandbox/blk/integrity, trusted. See disk_state.h.
 * Fresh:  of every page that was seen, a number of its contents is kept for as long as the
 *         process lives: a driver cannot give an older one a second time.
 */
#include <errno.h>
#include <string.h>

#include "disk_state.h"

enum { SLOT_EMPTY, SLOT_LOADING, SLOT_READY };

static uint32_t *slot_bucket(struct tag_table *t, uint64_t page)
{
	return &t->bucket[page * 0x9e3779b97f4a7c15ull >> 53];
}
_Static_assert(TAG_SLOTS == 1u << 11, "slot_bucket()");

void tag_table_clear(struct tag_table *t)
{
	memset(t->bucket, 0xff, sizeof(t->bucket));
}

static struct tag_slot *tag_table_slot_find(struct tag_table *t, uint64_t page)
{
	uint32_t at = *slot_bucket(t, page);

	while (at != NO_SLOT && t->slot[at].page != page)
		at = t->slot[at].next;
	return at == NO_SLOT ? NULL : &t->slot[at];
}

void *tag_table_page(struct disk_store *d, uint64_t page)
{
	struct tag_slot *s = tag_table_slot_find(&d->table, page);

	if (!s || s->state != SLOT_READY)
		return NULL;
	s->used = true;
	return d->table.bytes + (uint64_t)(s - d->table.slot) * DISK_PAGE;
}

static void slot_forget(struct tag_table *t, struct tag_slot *s)
{
	uint32_t *at = slot_bucket(t, s->page);

	while (&t->slot[*at] != s)
		at = &t->slot[*at].next;
	*at = s->next;
	s->state = SLOT_EMPTY;
}

/* At most INTERNAL_IOS are being slot_loaded, so one is found in the second round at the latest. */
static struct tag_slot *make_room(struct tag_table *t)
{
	for (;;) {
		struct tag_slot *s = &t->slot[t->hand++ % TAG_SLOTS];

		if (s->state == SLOT_EMPTY)
			return s;
		if (s->state == SLOT_READY && !s->used) {
			slot_forget(t, s);
			return s;
		}
		s->used = false;
	}
}

static bool believed(struct disk_store *d, const void *bytes, uint64_t page)
{
	uint64_t *kept = &d->table.digest[page];

	if (!table_page_good(d->judge.key, &d->g, bytes, page))
		return false;
	uint64_t digest = table_page_digest(d->judge.key, &d->g, bytes, page);
	if (*kept && *kept != digest)
		return false;
	*kept = digest;
	return true;
}

static void slot_loaded(struct internal_io *op, int status)
{
	struct disk_store *d = op->store;
	struct tag_slot *s = &d->table.slot[op->slot];
	unsigned char *bytes = d->table.bytes + (uint64_t)op->slot * DISK_PAGE;
	uint64_t page = op->what;

	memcpy(bytes, disk_shared(d, op->io.arena), DISK_PAGE);
	if (!status && !believed(d, bytes, page)) {
		integrity_caught(&d->base, op->io.offset, "checksums");
		status = -EIO;
	}
	if (status)
		slot_forget(&d->table, s);
	else
		s->state = SLOT_READY;
	internal_give(op);
	d->events->loaded(d, page, status);
}

void tag_table_load(struct disk_store *d, uint64_t page)
{
	struct tag_table *t = &d->table;

	if (tag_table_slot_find(t, page))
		return;
	struct internal_io *op = internal_take(d);
	if (!op)
		return;
	struct tag_slot *s = make_room(t);
	uint32_t *bucket = slot_bucket(t, page);
	*s = (struct tag_slot){ .page = page, .next = *bucket, .state = SLOT_LOADING,
				.used = true };
	*bucket = op->slot = (uint32_t)(s - t->slot);
	op->what = page;
	op->then = slot_loaded;
	op->io.op = RF_BLK_READ;
	op->io.flags = 0;
	op->io.length = DISK_PAGE;
	op->io.offset = d->g.table_at + page * DISK_PAGE;
	internal_send(d, &op->io);
}
