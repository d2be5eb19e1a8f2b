/* SPDX-License-Identifier: MIT */
/*
 * trampoline.h - the last page of ours in a driver process.
 *
 * Room:   sandbox/launch, trusted. Runs on the driver's stack, removes all of
 *         the launcher but itself, locks, and holds the driver back until it is
 *         let go. It is left mapped, readable and executable, behind the fence.
 */
#ifndef RF_TRAMPOLINE_H
#define RF_TRAMPOLINE_H

#include <linux/filter.h>
#include <stdint.h>

#include "boot.h"
#include "walls.h"

#define RF_TRAMPOLINE_MAX_KEEP 32u
#define RF_TRAMPOLINE_MAX_CODE 256u
#define RF_TRAMPOLINE_LINE 96u
/* End of the user half of the address space: 47 bits less the last page. Nothing
 * is mapped above it unless a process asks for that by address. */
#define RF_USER_END 0x7ffffffff000ull

struct rf_trampoline_keep {
	uint64_t start, end;
};

/* Everything the trampoline needs, in the driver's stack, wiped before the driver runs. */
struct rf_trampoline_plan {
	uint64_t keep_count;
	/* ascending; all else is unmapped */
	struct rf_trampoline_keep keep[RF_TRAMPOLINE_MAX_KEEP];
	uint64_t first_closed_fd;
	uint64_t thread;     /* FS base */
	uint64_t entry;
	uint64_t stack_top;  /* 16-byte aligned */
	uint64_t wipe_start; /* from here to stack_top everything becomes zero */
	const struct rf_boot *boot;
	uint64_t generation;
	uint64_t lock_last; /* 1: wait, close the rest, lock; 0: lock, wait */
	uint64_t no_limit[2]; /* struct rlimit of zeroes */
	char     unmap_failed[RF_TRAMPOLINE_LINE]; /* log line */
	uint64_t unmap_failed_len;
	struct sock_fprog  prog;
	struct sock_filter code[RF_TRAMPOLINE_MAX_CODE];
};

/* The trampoline's own page; not to be called, only jumped to with the new stack. */
_Noreturn void rf_trampoline_run(const struct rf_trampoline_plan *plan);

extern const char __start_rf_trampoline[] __attribute__((visibility("hidden")));
extern const char __stop_rf_trampoline[] __attribute__((visibility("hidden")));

#endif
