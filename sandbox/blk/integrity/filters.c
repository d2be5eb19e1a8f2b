/* SPDX-License-Identifier: MIT */
/*
 * filters.c - the filters that a disk may have, and a disk that is opened with them.
 *
 * Room:   sandbox/blk/integrity, trusted. Stands above the core, which is handed the list.
 */
#include <stddef.h>

#include "integrity_store.h"

int rf_blk_open_at(struct rf_blk **out, int up)
{
	static const struct rf_blk_filter_ops *const filters[] = { &integrity_ops, NULL };

	return rf_blk_open_filtered(out, up, filters);
}

int rf_blk_open(struct rf_blk **out)
{
	return rf_blk_open_at(out, 0);
}
