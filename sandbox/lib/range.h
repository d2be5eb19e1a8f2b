/* SPDX-License-Identifier: MIT */
/*
 * range.h - offsets and sizes that somebody else names.
 *
 * Room:   sandbox/lib.
 * Trust:  none in the numbers: each of these is right for every value there is, so that no
 *         caller has to ask first whether a sum or a difference overflows.
 */
#ifndef RF_RANGE_H
#define RF_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Do `bytes` bytes from `offset` on lie inside something of `size` bytes? */
static inline bool rf_range_within(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return offset <= size && bytes <= size - offset;
}

/* The same inside a part, `at` to at + size, of it. */
static inline bool rf_range_inside(uint64_t offset, uint64_t bytes, uint64_t at, uint64_t size)
{
	return offset >= at && rf_range_within(offset - at, bytes, size);
}

/* Do the two have a byte in common? An empty one has none. */
static inline bool rf_range_meets(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b ? b_bytes && b - a < a_bytes : a_bytes && a - b < b_bytes;
}

/* The whole pages of `page` bytes, a power of two, that hold the range: where they begin
 * and how many bytes they are. false: it is empty, or they would end beyond 64 bits. */
static inline bool rf_range_pages(uint64_t offset, uint64_t bytes, uint64_t page, uint64_t *first,
				  uint64_t *total)
{
	uint64_t last;

	if (!bytes || __builtin_add_overflow(offset, bytes - 1, &last) || last > UINT64_MAX - page)
		return false;
	*first = offset & ~(page - 1);
	*total = (last | (page - 1)) + 1 - *first;
	return true;
}

#endif
