/* SPDX-License-Identifier: MIT */
/*
 * launch.h - what the launcher is told: the one page it obeys.
 *
 * Room:   sandbox/proto.
 * Wire:   argv[1] walls that stand already, argv[2] walls that are demanded, both hexadecimal bit
 *         sets of walls.h; none: nothing stands, nothing is demanded. One struct rf_launch in a
 *         sealed memfd, and exactly the fds below; all but 0, 1 (and 2 with RF_LAUNCH_DEVICE) are
 *         closed before the lock.
 * Writes: the device process, the page; the zygote, the arguments.
 * Reads:  the launcher, before any byte of the driver's image.
 * Believed: nothing without a check of every count and range, because a mistake here opens the
 *         fence.
 */
#ifndef RF_LAUNCH_H
#define RF_LAUNCH_H

#include <stdint.h>

#define RF_LAUNCH_MAGIC   0x68636e75616c6672ull
#define RF_LAUNCH_VERSION 1u

#define RF_LAUNCH_FD_SPEC   3 /* this structure, sealed memfd */
#define RF_LAUNCH_FD_IMAGE  4 /* the driver's static-pie ELF image, sealed memfd */
#define RF_LAUNCH_FD_LOG    5 /* one line goes here if the launch fails */
#define RF_LAUNCH_FD_WINDOW 6 /* first of `fd_count` fds that windows map */
#define RF_LAUNCH_FD_REPORT 14 /* pipe: one struct rf_wall_report; may be missing */

#define RF_LAUNCH_MAX_FDS     8u /* up to RF_LAUNCH_FD_REPORT */
#define RF_LAUNCH_MAX_WINDOWS 16u
#define RF_LAUNCH_MAX_FIXUPS  48u

/* rf_launch.flags */
#define RF_LAUNCH_DEVICE 0x1u /* keep fd 2, RF_FD_DEVICE */

/* rf_launch_window.flags */
#define RF_WINDOW_WRITE 0x1u
#define RF_WINDOW_BOOT  0x2u /* holds struct rf_boot at its start: mapped writable for
                                the fixups, read-only before the lock. Exactly one. */

/* One shared mapping of the driver: whole pages of one fd. */
struct rf_launch_window {
	uint32_t fd;    /* index of the fd: RF_LAUNCH_FD_WINDOW + fd */
	uint32_t flags; /* RF_WINDOW_* */
	uint64_t offset;
	uint64_t bytes;
};

/* boot[boot_offset] (a uint64_t) = address of windows[window] + add */
struct rf_launch_fixup {
	uint32_t window;
	uint32_t boot_offset;
	uint64_t add;
};

struct rf_launch {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;        /* RF_LAUNCH_* */
	char     filter[32];   /* name of the compiled system call list, NUL-terminated */
	uint32_t generation;   /* wait, locked, until boot.go is this */
	uint32_t fd_count;
	uint32_t window_count;
	uint32_t fixup_count;
	struct rf_launch_window windows[RF_LAUNCH_MAX_WINDOWS];
	struct rf_launch_fixup  fixups[RF_LAUNCH_MAX_FIXUPS];
};
_Static_assert(sizeof(struct rf_launch) <= 4096, "one page");

/* Exit codes of the launcher (before the lock; after it there are none). */
enum rf_launch_exit {
	RF_LAUNCH_BAD_SPEC = 120,  /* the page above is not what it should be */
	RF_LAUNCH_BAD_IMAGE = 121, /* not a static ELF image that may be run */
	RF_LAUNCH_NO_FILTER = 122, /* unknown list, or the kernel refused it */
	RF_LAUNCH_SYSTEM = 123,    /* the kernel refused something else */
	RF_LAUNCH_NO_WALL = 124,   /* a wall the policy demands cannot be had here */
};

#endif
