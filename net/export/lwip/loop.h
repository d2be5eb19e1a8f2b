/* SPDX-License-Identifier: MIT */
/*
 * loop.h - which of the host's fds is waited for, and who is called.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Stale:  an event may be for the former life of a watch that was closed and opened again
 *         in the same turn. So a handler never believes the event: it tries its fd.
 */
#ifndef RF_LWIP_LOOP_H
#define RF_LWIP_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

struct loop_watch {
	int      fd;     /* -1: none */
	uint32_t events; /* waited for now; 0: not in the epoll set at all */
	void   (*call)(struct loop_watch *);
};

void loop_open(void);
/* From now on waits for these: EPOLLIN, EPOLLOUT, EPOLLET; 0: for nothing, not even the end. */
void loop_want(struct loop_watch *, uint32_t events);
/* Forgets the fd and closes it. */
void loop_close(struct loop_watch *);
/* Blocks for so long (-1: for ever), then calls, `awake` (NULL: nothing) first. Number of
 * events. */
int  loop_wait(int ms, void (*awake)(void));

#endif
