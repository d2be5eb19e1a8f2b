/* SPDX-License-Identifier: MIT */
/*
 * unix_listen.h - UNIX sockets with a name in the file system: listening, and taking the name
 * away again.
 *
 * Room:   sandbox/lib, trusted. Everything that binds such a name does it here, because a
 *         name may be somebody's: a server's that runs, or an ordinary file.
 */
#ifndef RF_UNIX_LISTEN_H
#define RF_UNIX_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A non-blocking listener at `path`, of `type` SOCK_STREAM or SOCK_SEQPACKET, with these
 * permissions (0: the umask's). A socket there on which nobody listens, left over by a dead
 * one, is replaced; anything else stays. The fd; else, with a clause for people in *why:
 *   -EADDRINUSE    somebody listens there
 *   -EEXIST        there is something that is no socket
 *   -ENAMETOOLONG  a socket's name has 107 bytes at most
 *   -errno         of the system call that failed
 */
int rf_unix_listen(const char *path, int type, mode_t mode, const char **why);

/* Takes the name away if a socket has it. */
void rf_unix_vanish(const char *path);

#endif
