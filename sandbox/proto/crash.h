/* SPDX-License-Identifier: MIT */
/*
 * crash.h - one driver's death, as rf-crash is told of it to put a bundle together.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, RF_CRASH_FD_CONTROL: one struct rf_death a packet, with the fds of enum
 *         rf_death_fd. What export and device process saw is in the memory of capture.h.
 * Writes: the supervisor; registers and stack are as the keeper read them.
 * Reads:  rf-crash, which writes the bundle and holds nothing else.
 * Believed: the supervisor's strings; the length of the stack as far as there is room. Registers
 *         and stack are a driver's own: they are printed as numbers and nothing follows from them.
 */
#ifndef RF_CRASH_H
#define RF_CRASH_H

#include <stdint.h>

/* Fds rf-crash starts with, besides its log (2). */
enum rf_crash_fd {
	RF_CRASH_FD_CONTROL = 3,
	RF_CRASH_FD_DIR,   /* where bundles go */
	RF_CRASH_FD_KMSG,  /* the kernel's log, or /dev/null */
	RF_CRASH_FDS
};
enum rf_death_fd { RF_DEATH_FD_STATS, RF_DEATH_FD_IMAGE, RF_DEATH_FDS };

#define RF_DEATH_REGS  27 /* struct user_regs_struct */
#define RF_DEATH_STACK 32 /* words from the stack pointer on */

struct rf_death {
	uint64_t seq;        /* counts what was sent, or could not be */
	uint32_t generation;
	uint32_t queue;      /* that it served */
	uint32_t stack_words, reserved;
	char     device[16], driver[64], policy[64];
	char     why[32];    /* crash, hang, ... */
	char     words[512]; /* the line of the log */
	char     json[1024]; /* the line of deaths.jsonl */
	uint64_t image, image_bytes; /* where it was mapped; 0: it never ran */
	uint64_t regs[RF_DEATH_REGS]; /* zeroes: no stop came */
	uint64_t stack[RF_DEATH_STACK];
};

#endif
