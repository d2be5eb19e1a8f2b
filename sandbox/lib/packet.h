/* SPDX-License-Identifier: MIT */
/*
 * packet.h - one message with file descriptors over a SOCK_SEQPACKET socket.
 *
 * Room:   sandbox/lib, trusted.
 */
#ifndef RF_PACKET_H
#define RF_PACKET_H

#include <stddef.h>

#define RF_PACKET_FDS 64 /* most fds of one message */

/* Sends one packet. 0, or -errno (-EPIPE: the other end is gone). Never raises
 * SIGPIPE. The fds stay the caller's. */
int rf_packet_send(int sock, const void *data, size_t bytes, const int *fds, int count);
/* The same without waiting: -EAGAIN: the other end does not read. */
int rf_packet_offer(int sock, const void *data, size_t bytes, const int *fds, int count);
/* And without fds. */
int rf_packet_post(int sock, const void *data, size_t bytes);

/*
 * Receives one packet of at most `bytes`. Length of it, 0 when the other end has
 * gone, -EAGAIN when there is none now (MSG_DONTWAIT in flags), -EMSGSIZE when it
 * was cut, else -errno. `fds` has room for RF_PACKET_FDS; *count of them came,
 * close-on-exec, now the caller's.
 */
int rf_packet_recv(int sock, void *data, size_t bytes, int *fds, int *count, int flags);

/* Closes the fds of a message that was not understood. */
void rf_close_all(int *fds, int count);

#endif
