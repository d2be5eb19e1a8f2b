/* SPDX-License-Identifier: MIT */
/*
 * entries.c - looks at a queue's part of the in-flight table.
 *
 * Room:   sandbox/blk, trusted.
 */
#include "core.h"

uint32_t rf_entries_in(const struct rf_blk_queue *q, enum rf_table_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
		n += q->entry[i].state == state;
	return n;
}

/* Entries to be redone that were reissued at least `attempts` times, oldest first. One look
 * at the table and a sort of the few there are: a dead driver's clients wait for this. */
uint32_t rf_redo_list(const struct rf_blk_queue *q, uint32_t attempts, uint32_t *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++) {
		const struct rf_table_entry *e = &q->entry[i];
		uint32_t at = n;

		if (e->state != RF_ENTRY_REDO || e->mark & RF_MARK_POISON || e->attempts < attempts)
			continue;
		for (n++; at && q->entry[list[at - 1]].seq > e->seq; at--)
			list[at] = list[at - 1];
		list[at] = i;
	}
	return n;
}
