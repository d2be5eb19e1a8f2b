/* SPDX-License-Identifier: MIT */
/* loop.c - see loop.h. Room: net/export/lwip, trusted. */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define EVENTS 64

static int epoll = -1;

void loop_open(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		rf_die(RF_EXIT_BUG, "epoll_create1: %s", strerror(errno));
}

void loop_want(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (w->fd < 0 || events == w->events)
		return;
	if (epoll_ctl(epoll, op, w->fd, &ev))
		rf_die(RF_EXIT_BUG, "epoll_ctl fd %d: %s", w->fd, strerror(errno));
	w->events = events;
}

void loop_close(struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	w->fd = -1;
	w->events = 0;
}

int loop_wait(int ms, void (*awake)(void))
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(epoll, ev, EVENTS, ms);

	if (n < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "epoll_wait: %s", strerror(errno));
	if (awake)
		awake();
	for (int i = 0; i < n; i++) {
		struct loop_watch *w = ev[i].data.ptr;

		if (w->fd >= 0)
			w->call(w);
	}
	return n;
}
