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

/* From now on our waitpid() reports its stops, and it dies when we do. 0, -errno. */
int rf_trace_seize(pid_t pid);

/* Is this WIFSTOPPED status the last stop of a driver, at its exit? Its one thread executes no
 * instruction more; no list allows it a second one. */
bool rf_trace_last(int status);

/* Handles a WIFSTOPPED status: fills in *v and lets the driver go on. True: a signal stopped the
 * driver, and it stays stopped. */
bool rf_trace_stop(pid_t pid, int status, struct rf_exit_info *v);

#endif
