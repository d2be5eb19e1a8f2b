/* SPDX-License-Identifier: MIT */
/*
 * bounded.h - a write that waits a moment at most, whoever else holds the descriptor.
 *
 * Room:   sandbox/lib, trusted.
 * Why:    O_NONBLOCK belongs to the open file, not to the descriptor: a device server that was
 *         handed a wake-up eventfd takes it away again, and on a log that was inherited it
 *         would change the file for others. An alarm belongs to this process alone.
 * How:    SIGALRM ends a write that waits. The timer goes on for a while after the last
 *         write, so that a write that does not wait costs no system call but itself.
 * Where:  log.c. Every program that can log can do this, and answers SIGALRM from its start.
 */
#ifndef RF_BOUNDED_H
#define RF_BOUNDED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RF_BOUNDED_US 20000 /* a write waits twice this time at most */

/* As write(2); -EAGAIN: it would have waited longer, and nothing was written. */
ssize_t rf_bounded_write(int fd, const void *data, size_t bytes);

/* Adds one to an eventfd that somebody else may fill. False: it is full, so that whoever
 * sleeps on it is awake. */
bool rf_bounded_kick(int fd);

#endif
