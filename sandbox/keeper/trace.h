/* SPDX-License-Identifier: MIT */
/*
 * trace.h - why a driver died: what its registers say at its last stop.
 *
 * Room:   sandbox/keeper, two capabilities. The keeper seizes each
 *         driver when it is born.
 * Trust:  a dead driver's registers, and a few words of its stack, are numbers that are
 *         copied and handed on; nothing follows from them.
 * Stops:  a signal (the driver has no handlers: it is killed, and the signal is what is
 *         reported), SIGSTOP (it stays stopped), its end (it goes on at once).
 */
#ifndef RF_TRACE_H
#define RF_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper.h"

/* From now on its stops are reported to our waitpid(), and it dies with us. 0, -errno. */
int rf_trace_seize(pid_t pid);

/* Of a status that is WIFSTOPPED: its last stop. One thread is all a driver has, since no list
 * lets it make another: it executes no instruction more. */
bool rf_trace_last(int status);

/* waitpid() said WIFSTOPPED(status): looks, fills in, lets it go on. True: a signal has
 * stopped it, and it stays so. */
bool rf_trace_stop(pid_t pid, int status, struct rf_verdict *v);

#endif
