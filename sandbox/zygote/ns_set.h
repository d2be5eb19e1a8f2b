/* SPDX-License-Identifier: MIT */
/*
 * ns_set.h - the empty namespaces all drivers of one keeper are put into, made once, so
 * that a spawn costs an entry and not a creation.
 *
 * Room:   sandbox/zygote, root.
 * Inside: a read-only root directory with nothing in it, no network but a loopback
 *         that is down, no IPC object, a host name that says nothing. Every driver
 *         gets a PID namespace to itself besides (spawn.c).
 */
#ifndef RF_NS_SET_H
#define RF_NS_SET_H

#include <stdint.h>

#include "walls.h"

struct rf_ns_set {
	int user;         /* fd of the user namespace; -1: root needs none, or none to be had */
	int ns[RF_WALLS]; /* fds by wall, 0: none */
	uint8_t why[RF_WALLS]; /* errno where there is none */
};

/* Makes them. What the kernel refuses is left out, with the reason in `why`. */
void rf_ns_set_open(struct rf_ns_set *);
void rf_ns_set_close(struct rf_ns_set *);

/* In the child: enters all but the user namespace. Walls that stand now, as bits. */
uint64_t rf_ns_set_enter(const struct rf_ns_set *);

#endif
