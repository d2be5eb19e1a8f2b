/* SPDX-License-Identifier: MIT */
/*
 * fence.h - the walls a trusted process puts up around itself: rf-device and the exports,
 * who read what drivers, devices and clients write.
 *
 * Room:   sandbox/lib. The others around them (user, namespaces, empty root, no
 *         capabilities, end with the keeper) are the keeper's child's; the list of system
 *         calls comes last, see filter.h.
 */
#ifndef RF_FENCE_H
#define RF_FENCE_H

#include <stdint.h>

#include "walls.h"

#define RF_FENCE_WALLS                                                                     \
	(RF_WALL_BIT(RF_WALL_DUMPABLE) | RF_WALL_BIT(RF_WALL_NO_NEW_PRIVS) |               \
	 RF_WALL_BIT(RF_WALL_LANDLOCK) | RF_WALL_BIT(RF_WALL_MDWE) |                       \
	 RF_WALL_BIT(RF_WALL_CORE) | RF_WALL_BIT(RF_WALL_NPROC) | RF_WALL_BIT(RF_WALL_AS))

/*
 * Puts up those of RF_FENCE_WALLS that are wanted, when all memory is there. Returns what
 * stands: a kernel may have neither Landlock nor MDWE. Ends the process if another fails.
 * Not limited: files (the log may be one), descriptors (clients come and go), and the stack,
 * which still grows; of memory only what is private, which is where a heap is.
 */
uint64_t rf_fence_apply(uint64_t wanted);

#endif
