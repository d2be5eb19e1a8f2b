/* SPDX-License-Identifier: MIT */
/*
 * landlock.h - a process gives up every right that Landlock can take.
 *
 * Room:   sandbox/lib.
 */
#ifndef RF_LANDLOCK_H
#define RF_LANDLOCK_H

/* From here on it opens no file, binds and connects no TCP port, and reaches no abstract
 * socket and no process outside, as far as this kernel's Landlock knows of these. Needs
 * no_new_privs. 0 or errno: mostly ENOSYS, or EOPNOTSUPP where it is not switched on. */
int rf_landlock_apply(void);

#endif
