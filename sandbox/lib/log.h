/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line for a person, and the end of the line for our own bugs.
 *
 * Room:   sandbox/lib, trusted. Writes to stderr by one write(2) a line, so
 *         lines of several processes never mix.
 */
#ifndef RF_LOG_H
#define RF_LOG_H

#include "exit_code.h"

#define LOG_PEER_LINES 20u

/* Prefix of every line; set it first thing in main(). */
extern const char *rf_log_name;

/* One line, printf-like, without the newline. At most 1,000 bytes are kept. Waits for nobody:
 * a line that is not taken at once is dropped and counted (bounded.h). */
void rf_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same of what a peer did, a driver, a device or a client, which may do it any number of times:
 * after LOG_PEER_LINES of them one a second is written, and how many were left out. */
void rf_log_peer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says how many lines were dropped or left out, if any were and somebody reads again. The next
 * line does so too; this is for whoever may log nothing for long. */
void rf_log_catch_up(void);

/* Logs the line and exits with `code`, one of enum rf_exit_code. */
_Noreturn void rf_die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A condition only a bug of ours can bring about. Never compiled out. */
#define RF_BUG_ON(cond)                                                                   \
	do {                                                                              \
		if (__builtin_expect(!!(cond), 0))                                        \
			rf_die(RF_EXIT_BUG, "bug: %s:%d: %s", __FILE__, __LINE__, #cond);          \
	} while (0)

#endif
