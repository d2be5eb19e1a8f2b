/* SPDX-License-Identifier: MIT */
/*
 * ward_tags.c - the table of tags: pages of it in memory.
 *
 * Room:   sandbox/blk/integrity, trusted. See ward.h.
 * Fresh:  of every page that was seen, a number of its contents is kept for as long as the
 *         process lives: a driver cannot give an older one a second time.
 */
#include <errno.h>
#include <string.h>

#include "ward_inside.h"

enum { SLOT_EMPTY, SLOT_LOADING, SLOT_READY };

static uint32_t *slot_bucket(struct ward_table *t, uint64_t page)
{
	return &t->bucket[page * 0x9e3779b97f4a7c15ull >> 53];
}
_Static_assert(WARD_SLOTS == 1u << 11, "slot_bucket()");

void ward_table_clear(struct ward_table *t)
{
	memset(t->bucket, 0xff, sizeof(t->bucket));
}

static struct ward_slot *slot_find(struct ward_table *t, uint64_t page)
{
	uint32_t at = *slot_bucket(t, page);

	while (at != WARD_NONE && t->slot[at].page != page)
		at = t->slot[at].next;
	return at == WARD_NONE ? NULL : &t->slot[at];
}

void *ward_table_page(struct rf_ward *w, uint64_t page)
{
	struct ward_slot *s = slot_find(&w->table, page);

	if (!s || s->state != SLOT_READY)
		return NULL;
	s->used = true;
	return w->table.bytes + (uint64_t)(s - w->table.slot) * WARD_PAGE;
}

static void slot_forget(struct ward_table *t, struct ward_slot *s)
{
	uint32_t *at = slot_bucket(t, s->page);

	while (&t->slot[*at] != s)
		at = &t->slot[*at].next;
	*at = s->next;
	s->state = SLOT_EMPTY;
}

/* At most WARD_OPS are being slot_loaded, so one is found in the second round at the latest. */
static struct ward_slot *make_room(struct ward_table *t)
{
	for (;;) {
		struct ward_slot *s = &t->slot[t->hand++ % WARD_SLOTS];

		if (s->state == SLOT_EMPTY)
			return s;
		if (s->state == SLOT_READY && !s->used) {
			slot_forget(t, s);
			return s;
		}
		s->used = false;
	}
}

static bool believed(struct rf_ward *w, const void *bytes, uint64_t page)
{
	uint64_t *kept = &w->table.digest[page];

	if (!ward_table_good(w->judge.key, &w->g, bytes, page))
		return false;
	uint64_t digest = ward_table_digest(w->judge.key, &w->g, bytes, page);
	if (*kept && *kept != digest)
		return false;
	*kept = digest;
	return true;
}

static void slot_loaded(struct ward_op *op, int status)
{
	struct rf_ward *w = op->ward;
	struct ward_slot *s = &w->table.slot[op->slot];
	unsigned char *bytes = w->table.bytes + (uint64_t)op->slot * WARD_PAGE;
	uint64_t page = op->what;

	memcpy(bytes, ward_shared(w, op->io.arena), WARD_PAGE);
	if (!status && !believed(w, bytes, page)) {
		integrity_caught(&w->base, op->io.offset, "checksums");
		status = -EIO;
	}
	if (status)
		slot_forget(&w->table, s);
	else
		s->state = SLOT_READY;
	ward_op_give(op);
	ward_loaded(w, page, status);
}

void ward_table_want(struct rf_ward *w, uint64_t page)
{
	struct ward_table *t = &w->table;

	if (slot_find(t, page))
		return;
	struct ward_op *op = ward_op_take(w);
	if (!op)
		return;
	struct ward_slot *s = make_room(t);
	uint32_t *bucket = slot_bucket(t, page);
	*s = (struct ward_slot){ .page = page, .next = *bucket, .state = SLOT_LOADING, .used = true };
	*bucket = op->slot = (uint32_t)(s - t->slot);
	op->what = page;
	op->then = slot_loaded;
	op->io.op = RF_BLK_READ;
	op->io.flags = 0;
	op->io.length = WARD_PAGE;
	op->io.offset = w->g.table_at + page * WARD_PAGE;
	ward_send(w, &op->io);
}
