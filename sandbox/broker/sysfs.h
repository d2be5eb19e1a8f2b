/* SPDX-License-Identifier: MIT */
/*
 * sysfs.h - attributes, links, folders and tables of /sys and /proc, without memory of its own.
 *
 * Room:   sandbox/broker, root behind a list. Reads what the kernel says, never a device.
 * Errors: 0 or -errno; what cannot be read is empty.
 */
#ifndef RF_SYSFS_H
#define RF_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#define RF_SYSFS_PATH 600

/* Prefix of every path; "" except in tests, which make a tree of their own. */
extern const char *rf_sysfs_root;

void rf_sysfs_path(char path[RF_SYSFS_PATH], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The first line of a file, what cannot be printed as '?'. */
int rf_sysfs_read(const char *path, char *text, size_t room);
/* Last component of a link's target; "": there is no such link. */
void rf_sysfs_link(const char *path, char *name, size_t room);
/* Is the first path, with all links followed, the second or below it? */
bool rf_sysfs_below(const char *path, const char *top);

/* Calls fn for every entry of a folder, or every line of a file without its newline, of which
 * 1,000 bytes are kept. Stops at the first return that is not 0, and returns it. */
int rf_sysfs_each(const char *folder, int (*fn)(const char *name, void *arg), void *arg);
int rf_sysfs_lines(const char *file, int (*fn)(char *line, void *arg), void *arg);

#endif
