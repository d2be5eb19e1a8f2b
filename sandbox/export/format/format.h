/* SPDX-License-Identifier: MIT */
/*
 * format.h - makes the area of `integrity disk` at the end of a disk.
 *
 * Room:   sandbox/export/format, trusted, unprivileged. A client of the block service as any
 *         other, without a filter in between: one request after the other.
 * Order:  superblocks gone, flush, table, flush, superblock, flush. A disk on which this was cut
 *         short has no area. If the device loses its cache meanwhile, all of it is done again.
 */
#ifndef RF_FORMAT_H
#define RF_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

struct rf_blk;

struct rf_format {
	struct rf_blk *service; /* the disk is known */
	uint64_t           key[2];  /* the operator's */
	uint64_t           volume;  /* random */
	bool               adopt;   /* what lies in front of the area stays */
	bool               again;   /* although there is an area */
	/* Waits until an answer may have come, and polls the service. */
	void             (*turn)(void *with);
	void              *with;
};

/* Exit code, after a line in the log: RF_EXIT_FORMATTED, or RF_EXIT_INTEGRITY: there is an area,
 * the disk is too small or too large, or it fails. */
int rf_format(const struct rf_format *);

#endif
