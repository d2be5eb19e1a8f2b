/* SPDX-License-Identifier: MIT */
/*
 * address_space.h - the address space a driver will see: image, TLS, stack, windows.
 *
 * Room:   sandbox/launch, trusted.
 * Layout: one reservation at a random address; inside it the regions with gaps
 *         of random size between them, which the trampoline unmaps, so that each has
 *         a hole on both sides.
 */
#ifndef RF_ADDRESS_SPACE_H
#define RF_ADDRESS_SPACE_H

#include <stdint.h>

#include "image.h"
#include "launch.h"

/* Locked into memory page by page, and so returned when the driver dies: that lies between
 * its death and the moment anybody hears of it. A driver has no recursion and no big locals. */
#define RF_STACK_BYTES (64u << 10)

struct rf_region {
	uint64_t at, bytes; /* whole pages */
};

struct rf_address_space {
	struct rf_region image, tls, stack;
	struct rf_region window[RF_LAUNCH_MAX_WINDOWS];
	unsigned         window_count;
	uint64_t         thread;  /* what FS shall be: the end of the TLS block */
	struct rf_boot  *boot;    /* writable until rf_address_space_seal() */
	struct rf_region boot_window;
};

/* Each exits with a line when it fails. */
void rf_address_space_reserve(struct rf_address_space *, const struct rf_launch *,
			      const struct rf_image *);
void rf_address_space_map_windows(struct rf_address_space *, const struct rf_launch *);
void rf_address_space_map_stack(struct rf_address_space *);
/* After the image was relocated: its TLS bytes may hold addresses. */
void rf_address_space_map_tls(struct rf_address_space *, const struct rf_image *);
/* What windows show is resident, because others hold it: what a driver touches of it is mapped
 * when it does, without asking for memory. With all of it mapped at once, its end would take
 * several times as long as the rest of a recovery. */
void rf_address_space_hold(const struct rf_address_space *);
/* Writes the addresses the driver needs, then takes the boot page's write bit. */
void rf_address_space_seal(struct rf_address_space *, const struct rf_launch *);

#endif
