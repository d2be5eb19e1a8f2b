/* SPDX-License-Identifier: MIT */
/*
 * memory_lock.h - keeps our pages in memory: the disk that is served may hold the swap.
 *
 * Room:   sandbox/lib, trusted.
 */
#ifndef RF_MEMORY_LOCK_H
#define RF_MEMORY_LOCK_H

/* mlockall(2) with these flags; where that is refused, one line that says how much it matters. */
void rf_memory_lock(int flags);

#endif
