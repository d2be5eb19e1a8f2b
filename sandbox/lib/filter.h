/* SPDX-License-Identifier: MIT */
/*
 * filter.h - a process gives up all system calls but those of a compiled list.
 *
 * Room:   sandbox/lib.
 */
#ifndef RF_FILTER_H
#define RF_FILTER_H

#include <linux/filter.h>

/* A compiled list, as policy/compile writes it. */
struct rf_filter {
	const char *name;
	unsigned count; /* instructions */
	const struct sock_filter *code;
	unsigned syscalls; /* different ones it lets through */
};

/* Any other call ends the process from here on, and it can gain no privilege. 0 or -errno. */
int rf_filter_set(const struct sock_filter *code, unsigned count);

#endif
