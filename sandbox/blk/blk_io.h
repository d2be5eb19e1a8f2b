/* SPDX-License-Identifier: MIT */
/*
 * blk_io.h - requests that wait in the engine, as whoever counts them sees it.
 *
 * Room:   sandbox/blk, trusted, unprivileged.
 */
#ifndef RF_BLK_IO_H
#define RF_BLK_IO_H

#include "ringfence.h"

/* Requests held behind an overlapping one; a further one stops the queue. */
#define RF_DEFERRED_MAX 64u

static inline void rf_io_waits(const struct rf_io *io)
{
	if (!io->waits)
		return;
	io->waits->own++;
	++*io->waits->all;
}

static inline void rf_io_goes_on(const struct rf_io *io)
{
	if (!io->waits)
		return;
	io->waits->own--;
	--*io->waits->all;
}

#endif
