/* SPDX-License-Identifier: MIT */
/*
 * arena.c - see arena.h.
 *
 * Room:   sandbox/blk, trusted. A wrong free is a bug of ours and ends the
 *         process: handing the same page out twice would mix two clients' data.
 */
#include "arena.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"

#define NONE ~0u

/* state[page]: 0 inside of a block, else kind | order of the block that begins here */
#define STATE_FREE  0x10u /* on free_head[order], may be merged */
#define STATE_QUICK 0x20u /* on the quick stack of its order */
#define STATE_USED  0x40u

static inline uint32_t order_of(uint32_t length)
{
	uint32_t units = (length - 1) / RF_ARENA_UNIT;

	return units ? 32u - (uint32_t)__builtin_clz(units) : 0;
}

uint32_t rf_arena_size(uint32_t length)
{
	return RF_ARENA_UNIT << order_of(length);
}

static void free_push(struct rf_arena *a, uint32_t page, uint32_t order)
{
	uint32_t head = a->free_head[order];

	a->state[page] = (uint8_t)(STATE_FREE | order);
	a->next[page] = head;
	a->prev[page] = NONE;
	if (head != NONE)
		a->prev[head] = page;
	a->free_head[order] = page;
}

static void free_unlink(struct rf_arena *a, uint32_t page, uint32_t order)
{
	uint32_t next = a->next[page], prev = a->prev[page];

	if (prev == NONE)
		a->free_head[order] = next;
	else
		a->next[prev] = next;
	if (next != NONE)
		a->prev[next] = prev;
	a->state[page] = 0;
}

static void free_merge(struct rf_arena *a, uint32_t page, uint32_t order)
{
	for (; order + 1 < RF_ARENA_ORDERS; order++) {
		uint32_t buddy = page ^ (1u << order);

		if (buddy >= a->pages || a->state[buddy] != (STATE_FREE | order))
			break;
		free_unlink(a, buddy, order);
		a->state[page] = 0;
		page &= ~(1u << order);
	}
	free_push(a, page, order);
}

static void quick_empty(struct rf_arena *a, uint32_t order)
{
	while (a->quick_count[order])
		free_merge(a, a->quick[order][--a->quick_count[order]], order);
}

static uint32_t split_take(struct rf_arena *a, uint32_t order)
{
	uint32_t from = order;

	while (from < RF_ARENA_ORDERS && a->free_head[from] == NONE)
		from++;
	if (from == RF_ARENA_ORDERS)
		return NONE;
	uint32_t page = a->free_head[from];
	free_unlink(a, page, from);
	while (from > order) {
		from--;
		free_push(a, page + (1u << from), from);
	}
	return page;
}

int rf_arena_take(struct rf_arena *a, uint32_t length, uint64_t *offset)
{
	if (length - 1 >= RF_ARENA_MAX)
		return -EINVAL;
	uint32_t order = order_of(length);
	uint32_t page;

	if (a->quick_count[order]) {
		page = a->quick[order][--a->quick_count[order]];
	} else if ((page = split_take(a, order)) == NONE) {
		for (uint32_t i = 0; i < RF_ARENA_ORDERS; i++)
			quick_empty(a, i);
		if ((page = split_take(a, order)) == NONE)
			return -ENOMEM;
	}
	a->state[page] = (uint8_t)(STATE_USED | order);
	*offset = (uint64_t)page * RF_ARENA_UNIT;
	return 0;
}

void rf_arena_give(struct rf_arena *a, uint64_t offset, uint32_t length)
{
	uint32_t order = order_of(length);
	uint64_t page = offset / RF_ARENA_UNIT;

	RF_BUG_ON(length - 1 >= RF_ARENA_MAX || page >= a->pages || offset % RF_ARENA_UNIT);
	RF_BUG_ON(a->state[page] != (STATE_USED | order));
	if (a->quick_count[order] == RF_ARENA_QUICK)
		quick_empty(a, order);
	a->state[page] = (uint8_t)(STATE_QUICK | order);
	a->quick[order][a->quick_count[order]++] = (uint32_t)page;
}

int rf_arena_open(struct rf_arena *a, uint64_t bytes)
{
	uint64_t pages = bytes / RF_ARENA_UNIT;

	*a = (struct rf_arena){ 0 };
	if (!pages || bytes % RF_ARENA_UNIT || pages >= NONE)
		return -EINVAL;
	a->pages = (uint32_t)pages;
	a->next = calloc(pages, sizeof(*a->next));
	a->prev = calloc(pages, sizeof(*a->prev));
	a->state = calloc(pages, 1);
	if (!a->next || !a->prev || !a->state) {
		rf_arena_close(a);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < RF_ARENA_ORDERS; i++)
		a->free_head[i] = NONE;
	/* The largest aligned blocks first; a tail that is no whole MiB in smaller ones. */
	uint32_t page = 0;
	for (uint32_t order = RF_ARENA_ORDERS; order-- > 0;)
		for (; a->pages - page >= 1u << order; page += 1u << order)
			free_push(a, page, order);
	return 0;
}

void rf_arena_close(struct rf_arena *a)
{
	free(a->next);
	free(a->prev);
	free(a->state);
	*a = (struct rf_arena){ 0 };
}
