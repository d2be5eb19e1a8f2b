/* SPDX-License-Identifier: MIT */
/*
 * cache.c - the in-flight table taken over, and what a lost write cache means for it.
 *
 * Room:   sandbox/blk, trusted.
 * Loss:   a write that was acknowledged and not flushed may be gone. Then the flushes
 *         asked for so far fail, or else the next one, once. A write with FUA does not: it
 *         promises nothing about others.
 * Death:  each store to the table's head is one that a successor may find as the last one.
 *         "loss_pending" is there before "unflushed" goes, and both before the loss counts as
 *         dealt with; done twice it comes to the same.
 */
#include <string.h>

#include "clock.h"
#include "core.h"
#include "service.h"

/*
 * NBD knows no client by name. Once one has gone that must hear of a loss, whoever connects is
 * told: for UNREPORTED_NS, and after that until as many were told as had gone.
 */
#define UNREPORTED_NS 600000000000ull
#define UNREPORTED_MAX 64u /* counted; twice the slots of an export */

static uint32_t at_most(uint64_t clients)
{
	return clients < UNREPORTED_MAX ? (uint32_t)clients : UNREPORTED_MAX;
}

static uint32_t connected(const struct rf_blk *s)
{
	const struct rf_stats_service *stats = s->queue[0].session.stats;
	uint64_t n = atomic_load_explicit(&stats->clients, memory_order_relaxed);

	return n ? at_most(n) : 1;
}

static void owe(struct rf_blk *s, uint32_t clients)
{
	s->table->head.unreported += clients;
	s->unreported = at_most((uint64_t)s->unreported + clients);
	s->unreported_since = rf_now_ns();
}

static uint32_t queued_flushes(const struct rf_blk *s)
{
	uint32_t n = 0;

	for (const struct rf_io *io = s->queue_head; io; io = io->next)
		n += io->op == RF_BLK_FLUSH && !io->internal;
	return n;
}

/* Is any of them asked for after all that was acknowledged? */
static bool mark_flushes(struct rf_blk_queue *q)
{
	bool covered = false;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		struct rf_table_entry *e = &q->entry[i];

		if (e->state == RF_ENTRY_FREE || e->req.op != RF_BLK_FLUSH ||
		    rf_entry_io(e)->internal)
			continue;
		e->mark |= RF_MARK_LOST;
		covered |= q->covers[i] == q->disk->acked;
	}
	return covered;
}

/* An export that does not tell its clients one by one: the flushes under way fail, those that
 * wait, or else the next one. */
static void fail_flushes(struct rf_blk *s)
{
	bool covered = false;
	uint32_t queued = queued_flushes(s);

	s->table->head.loss_pending = 1;
	RF_EACH_QUEUE(q, s)
		covered |= mark_flushes(q);
	if (!queued && !covered)
		queued = 1;
	if (s->flush_fails < queued)
		s->flush_fails = queued;
}

void rf_cache_lost(struct rf_blk *s)
{
	struct rf_table_head *head = &s->table->head;

	s->filter->ops->lost(s->filter);
	if (s->acked != s->flushed) {
		head->unreported += connected(s); /* until rf_blk_losses_all_reported() */
		if (s->left_upto > s->flushed)
			owe(s, s->left);
		if (!s->export_reports_losses)
			fail_flushes(s);
		head->unflushed = 0;
		s->flushed = s->acked;
		s->losses++;
		rf_log_peer("the device may have lost its write cache: the next flush fails");
	}
	head->losses = s->device->losses;
}

/* What only a flush makes safe was promised of another cache, or another disk: it is gone. */
void rf_disk_known(struct rf_blk *s, const struct rf_identity *disk)
{
	struct rf_table_head *head = &s->table->head;
	bool another = rf_identity_known(&head->disk) && !rf_identity_same(&head->disk, disk);

	if ((another || !(s->info.features & RF_BLK_HAS_FLUSH)) && s->acked != s->flushed)
		rf_cache_lost(s);
	if (!rf_identity_same(&head->disk, disk))
		head->disk = *disk;
}

void rf_blk_lost(struct rf_blk *s)
{
	rf_cache_lost(s);
}

/* Makes a table of memory that is none yet; the magic comes last. */
static void table_make(struct rf_blk *s)
{
	struct rf_table_head *head = &s->table->head;

	memset(s->table, 0, RF_TABLE_USED(s->queues));
	head->version = RF_TABLE_VERSION;
	head->depth = s->queues * RF_BLK_DEPTH;
	head->entry_bytes = sizeof(struct rf_table_entry);
	head->losses = s->device->losses;
	head->magic = RF_TABLE_MAGIC;
}

/* How many requests were under way in this queue. */
static uint32_t entries_take_over(struct rf_blk_queue *q)
{
	uint32_t found = 0;

	q->entry = q->disk->table->entry + q->session.queue * RF_BLK_DEPTH;
	q->free_count = RF_BLK_DEPTH;
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		found += q->entry[i].state != RF_ENTRY_FREE;
		q->entry[i] = (struct rf_table_entry){ .next_tag = i | RF_TAG_LIVE };
		q->free[RF_BLK_DEPTH - 1 - i] = &q->entry[i];
	}
	return found;
}

/* What a dead predecessor had promised is promised on; what it had begun is forgotten. */
void rf_table_take_over(struct rf_blk *s)
{
	struct rf_table_head *head = &s->table->head;
	uint32_t found = 0;

	if (head->magic != RF_TABLE_MAGIC || head->version != RF_TABLE_VERSION)
		table_make(s);
	RF_EACH_QUEUE(q, s)
		found += entries_take_over(q);
	if (found)
		rf_log("a predecessor died with %u requests unanswered; their clients will send "
		       "them again", found);
	s->acked = s->left_upto = head->unflushed != 0;
	s->left = connected(s); /* to the predecessor */
	s->flush_fails = head->loss_pending != 0;
	if (head->losses != s->device->losses)
		rf_cache_lost(s); /* it died before it heard of that */
	s->unreported = at_most(head->unreported);
	if (s->unreported)
		s->unreported_since = rf_now_ns();
}

/* A predecessor that failed a flush for all had not told each. */
void rf_blk_reports_losses(struct rf_blk *s)
{
	s->export_reports_losses = true;
	s->flush_fails = 0;
	s->table->head.loss_pending = 0;
}

uint64_t rf_blk_acked(const struct rf_blk *s)
{
	return s->acked;
}

uint32_t rf_blk_losses(const struct rf_blk *s)
{
	return s->losses;
}

uint32_t rf_blk_losses_reported(struct rf_blk *s)
{
	if (s->unreported_since && !s->unreported &&
	    rf_now_ns() - s->unreported_since > UNREPORTED_NS)
		s->unreported_since = 0;
	return s->unreported_since ? RF_LOSSES_UNKNOWN : s->losses;
}

void rf_blk_left(struct rf_blk *s, uint64_t wrote)
{
	if (wrote <= s->flushed)
		return;
	if (s->left_upto <= s->flushed)
		s->left = 0;
	s->left = at_most(s->left + 1);
	if (s->left_upto < wrote)
		s->left_upto = wrote;
}

void rf_blk_loss_unreported(struct rf_blk *s)
{
	owe(s, 1);
}

void rf_blk_loss_to_report(struct rf_blk *s)
{
	s->table->head.unreported++;
}

void rf_blk_loss_reported(struct rf_blk *s)
{
	if (s->unreported)
		s->unreported--;
}

/* Its time goes on from the loss: a client that breaks again and again does not prolong it. */
void rf_blk_loss_report_lost(struct rf_blk *s)
{
	if (!s->unreported_since) {
		owe(s, 1);
		return;
	}
	s->table->head.unreported++;
	s->unreported = at_most((uint64_t)s->unreported + 1);
}

void rf_blk_losses_all_reported(struct rf_blk *s)
{
	s->table->head.unreported = s->unreported ? s->unreported : s->unreported_since != 0;
}
