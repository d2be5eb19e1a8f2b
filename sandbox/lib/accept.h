/* SPDX-License-Identifier: MIT */
/*
 * accept.h - takes who connects to a listener, and survives what the kernel may say instead.
 *
 * Room:   sandbox/lib, trusted.
 */
#ifndef RF_ACCEPT_H
#define RF_ACCEPT_H

#include <sys/socket.h>

/* How long a listener is not polled when memory or descriptors are short: it stays ready then,
 * and a loop that waits for it would spin. */
#define RF_ACCEPT_PAUSE_NS 100000000u

/*
 * The fd of who connected, non-blocking and closed by exec(); its address to *peer, unless that is
 * NULL. Otherwise:
 *   -EAGAIN        nobody waits
 *   -ECONNABORTED  one that waited is gone, or its network is: others may wait
 *   -ENOBUFS       memory, descriptors or leave are missing: it waits on, at least
 *                  RF_ACCEPT_PAUSE_NS
 * Ends the process only where the listener is none, which is our own bug.
 */
int rf_accept(int listener, struct sockaddr *peer, socklen_t *length);

#endif
