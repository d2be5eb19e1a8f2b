/* SPDX-License-Identifier: MIT */
/*
 * cache.c - the in-flight table taken over, and what a lost write cache means for it.
 *
 * Room:   sandbox/service, trusted.
 * Loss:   a write that was acknowledged and not flushed may be gone. Then the flushes
 *         asked for so far fail, or else the next one, once. A write with FUA does not: it
 *         promises nothing about others.
 * Death:  each store to the table's head is one that a successor may find as the last one.
 *         "untold" is there before "unflushed" goes, and both before the loss counts as
 *         dealt with; done twice it comes to the same.
 */
#include <string.h>

#include "core.h"

/* A client that lost its connection without having been told is one that comes back within
 * this time; NBD knows no client by name. */
#define OWED_NS 600000000000ull

static uint32_t queued_flushes(const struct rf_service *s)
{
	uint32_t n = 0;

	for (const struct rf_io *io = s->queue_head; io; io = io->next)
		n += io->op == RF_BLK_FLUSH;
	return n;
}

void rf_cache_lost(struct rf_service *s)
{
	struct rf_table_head *head = &s->table->head;
	bool covered = false;
	uint32_t queued;

	if (s->integrity)
		rf_integrity_lost(s->integrity, s->flushed, s->acked);
	if (s->ward)
		rf_ward_lost(s->ward);
	if (s->acked != s->flushed) {
		head->owed = 1;
		head->untold = 1;
		head->unflushed = 0;
		for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
			if (s->entry[i].state == RF_ENTRY_FREE || s->entry[i].req.op != RF_BLK_FLUSH ||
			    rf_ward_owns(s->ward, (void *)(uintptr_t)s->entry[i].io))
				continue;
			s->entry[i].mark |= RF_MARK_LOST;
			covered |= s->covers[i] == s->acked;
		}
		queued = queued_flushes(s);
		if (!queued && !covered)
			queued = 1;
		if (s->flush_fails < queued)
			s->flush_fails = queued;
		s->flushed = s->acked;
		s->losses++;
		if (s->heir) /* whoever was promised that comes back, with flushes side by side perhaps */
			rf_service_owe(s);
		rf_log("the device may have lost its write cache: the next flush fails");
	}
	head->losses = s->device->losses;
}

/* Makes a table of memory that is none yet; the magic comes last. */
static void table_make(struct rf_service *s)
{
	struct rf_table_head *head = &s->table->head;

	memset(s->table, 0, sizeof(*s->table));
	head->version = RF_TABLE_VERSION;
	head->depth = RF_BLK_DEPTH;
	head->entry_bytes = sizeof(struct rf_table_entry);
	head->losses = s->device->losses;
	head->magic = RF_TABLE_MAGIC;
}

/* What a dead predecessor had promised is promised on; what it had begun is forgotten. */
void rf_table_take_over(struct rf_service *s)
{
	struct rf_table_head *head = &s->table->head;
	uint32_t found = 0;

	if (head->magic != RF_TABLE_MAGIC || head->version != RF_TABLE_VERSION)
		table_make(s);
	s->entry = s->table->entry;
	s->free_count = RF_BLK_DEPTH;
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		found += s->entry[i].state != RF_ENTRY_FREE;
		s->entry[i] = (struct rf_table_entry){ .next_tag = i | RF_TAG_LIVE };
		s->free[RF_BLK_DEPTH - 1 - i] = &s->entry[i];
	}
	if (found)
		rf_log("a predecessor died with %u requests unanswered; their clients will send "
		       "them again", found);
	s->acked = head->unflushed != 0;
	s->heir = s->acked;
	s->flush_fails = head->untold != 0;
	if (head->losses != s->device->losses)
		rf_cache_lost(s); /* it died before it heard of that */
	if (head->owed)
		rf_service_owe(s);
}

uint32_t rf_service_losses(const struct rf_service *s)
{
	return s->losses;
}

uint32_t rf_service_losses_told(struct rf_service *s)
{
	if (s->owed_since && rf_now_ns() - s->owed_since > OWED_NS)
		s->owed_since = 0;
	return s->owed_since ? RF_LOSSES_UNKNOWN : s->losses;
}

void rf_service_owe(struct rf_service *s)
{
	s->table->head.owed = 1;
	s->owed_since = rf_now_ns();
}

void rf_service_told(struct rf_service *s)
{
	if (!s->owed_since)
		s->table->head.owed = 0;
}
