/* SPDX-License-Identifier: MIT */
/*
 * launch_log.h - the launcher's last words. fd 2 may be an eventfd here, so the log is
 * RF_LAUNCH_FD_LOG and sandbox/lib/log.h is not used.
 *
 * Room:   sandbox/launch, trusted.
 */
#ifndef RF_LAUNCH_LOG_H
#define RF_LAUNCH_LOG_H

/* One line to the log fd by one write. */
void rf_launch_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The line, then exit with `code` (enum rf_launch_exit). */
_Noreturn void rf_launch_die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
