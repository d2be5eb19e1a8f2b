/* SPDX-License-Identifier: MIT */
/*
 * ending.h - how a process of ours ended, in words for a log.
 *
 * Room:   sandbox/lib, trusted.
 */
#ifndef RF_ENDING_H
#define RF_ENDING_H

#define RF_ENDING 100 /* bytes that hold any */

/* Of a status of waitpid(2): "died of signal 9 (SIGKILL)" or "ended with code 75 (...)". Returns
 * `text`. */
const char *rf_ending(int status, char text[RF_ENDING]);

/* SIGKILL and so on; "a real-time signal" for what has no name. */
const char *rf_signal_name(int signal);

#endif
