/* SPDX-License-Identifier: MIT */
/*
 * say.h - the launcher's last words. fd 2 may be an eventfd here, so the log is
 * RF_LAUNCH_FD_LOG and sandbox/lib/log.h is not used.
 *
 * Room:   sandbox/launch, trusted.
 */
#ifndef RF_SAY_H
#define RF_SAY_H

/* One line to the log fd by one write. */
void rf_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The line, then exit with `code` (enum rf_launch_exit). */
_Noreturn void rf_quit(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
