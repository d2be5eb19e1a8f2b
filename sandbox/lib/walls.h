/* SPDX-License-Identifier: MIT */
/*
 * walls.h - the walls around a driver process, by number and name.
 *
 * Room:   sandbox/lib. The keeper's child puts up the first ones, the launcher the
 *         rest; both report what stands to the keeper, over RF_LAUNCH_FD_REPORT.
 * Names:  as a policy's `demand` and `ringfence status` spell them.
 */
#ifndef RF_WALLS_H
#define RF_WALLS_H

#include <stddef.h>
#include <stdint.h>

enum rf_wall {
	/* put up by the keeper's child, before the launcher is executed */
	RF_WALL_UID,       /* a user of its own, not root */
	RF_WALL_USER_NS,   /* only where ringfence itself is not root: root needs none */
	RF_WALL_PID_NS,
	RF_WALL_MOUNT_NS,
	RF_WALL_NET_NS,
	RF_WALL_IPC_NS,
	RF_WALL_UTS_NS,
	RF_WALL_CGROUP_NS,
	RF_WALL_ROOT,      /* the root directory is empty and read-only */
	RF_WALL_CGROUP,    /* limits of memory, processes and processor time */
	RF_WALL_ORPHAN,    /* it ends when the keeper ends */
	RF_WALL_SEIZED,    /* the keeper reads why it died */
	/* put up by the launcher, before any byte of the image runs */
	RF_WALL_NO_CAPS,   /* no capabilities, none to be had */
	RF_WALL_NO_NEW_PRIVS,
	RF_WALL_LANDLOCK,  /* no file, no TCP port, no abstract socket, no signal */
	RF_WALL_MDWE,      /* no page becomes executable later */
	RF_WALL_DUMPABLE,  /* no core; nobody of the same user may look in */
	RF_WALL_CORE,      /* resource limits from here */
	RF_WALL_NOFILE,
	RF_WALL_NPROC,
	RF_WALL_FSIZE,
	RF_WALL_MEMLOCK,
	RF_WALL_AS,
	RF_WALL_STACK,
	RF_WALL_FDS,       /* exactly the listed file descriptors */
	RF_WALL_MAPS,      /* exactly the listed mappings */
	RF_WALL_BOOT,      /* the boot record is read-only */
	RF_WALL_RELRO,     /* so are relocated constants */
	RF_WALL_SECCOMP,   /* the system call list, i386 and x32 entry closed */
	RF_WALLS
};
_Static_assert(RF_WALLS <= 64, "one bit a wall");

#define RF_WALL_BIT(wall) (1ull << (wall))

extern const char *const rf_wall_names[RF_WALLS];

/* Number of the wall of this name, or -1. */
int rf_wall_find(const char *name);

/* What one of the two says. `why`: errno of a wall that does not stand, by number; 0
 * with its bit clear: not put up by this one. */
struct rf_wall_report {
	uint64_t up;       /* RF_WALL_BIT()s */
	uint64_t image;    /* launcher: where the driver's image begins, and its size */
	uint64_t image_bytes;
	uint64_t trampoline; /* launcher: its page that stays */
	uint8_t  locked;     /* launcher: this one is from the launcher, just before the lock */
	uint8_t  why[RF_WALLS];
	uint8_t  reserved[64 - 1 - RF_WALLS];
};
_Static_assert(sizeof(struct rf_wall_report) == 96, "one write to a pipe");

/* The walls that do not stand, each with why, in words; "" if all do. */
void rf_walls_missing(const struct rf_wall_report *, char *text, size_t room);

#endif
