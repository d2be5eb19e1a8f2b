/* SPDX-License-Identifier: MIT */
/*
 * trace.h - why a driver died: what its registers say at its last stop.
 *
 * Room:   sandbox/supervisor, privileged; used by the keeper only, which seizes each
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

#include "autopsy.h"

/* A driver's end, as far as it could be seen. */
struct rf_verdict {
	uint32_t seen; /* enum rf_seen bits */
	uint32_t arch; /* AUDIT_ARCH_* of the system call */
	int64_t call;  /* RF_SEEN_END: system call it was in, -1: none */
	uint64_t args[6];
	uint64_t ip;      /* behind the system call; of the fault */
	int32_t signal;   /* RF_SEEN_SIGNAL: the one that came */
	int32_t code;     /* si_code */
	uint64_t address; /* si_addr of a fault, or the sender's pid */
	/* All of its registers, and what lay at its stack pointer: for its bundle. */
	uint64_t regs[RF_DEATH_REGS], stack[RF_DEATH_STACK];
	uint32_t stack_words;
};

enum rf_seen {
	RF_SEEN_END = 1,    /* it stopped at its exit: call, args and ip hold */
	RF_SEEN_SIGNAL = 2, /* a signal came before: signal, code, address and ip hold */
};

/* From now on its stops are reported to our waitpid(), and it dies with us. 0, -errno. */
int rf_trace_seize(pid_t pid);

/* Of a status that is WIFSTOPPED: its last stop. One thread is all a driver has, since no list
 * lets it make another: it executes no instruction more. */
bool rf_trace_last(int status);

/* waitpid() said WIFSTOPPED(status): looks, fills in, lets it go on. `name` is for the
 * log of the learn mode. True: a signal has stopped it, and it stays so. */
bool rf_trace_stop(pid_t pid, int status, struct rf_verdict *v, const char *name);

#endif
