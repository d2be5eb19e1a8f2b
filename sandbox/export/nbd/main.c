/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-nbd: one disk for NBD clients.
 *
 * Room:   sandbox/export/nbd, trusted, unprivileged.
 * Start:  no arguments; everything comes by fds (enum rf_export_fd).
 * Exit:   0 when the device process is gone, 75 when its disk is another one than before, 70;
 *         both after one line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "exit_code.h"
#include "export_config.h"
#include "lock.h"
#include "log.h"
#include "nbd.h"
#include "poll_window.h"
#include "stats.h"

#define EVENTS  64
#define TICK_NS 5000000ull /* while awake; see rf_blk_tick() */
#define TICK_MS 100
#define SPINS   32 /* polls between looks at the clock */

/* epoll data of the fds that are no client (a client's id starts at 1) */
enum { EV_CONTROL, EV_KICK, EV_LISTEN };

static void nbd_watch(struct nbd_server *srv, int op, int fd, uint64_t what)
{
	/* Edge-triggered: the kick eventfd need not be read to be reported again. */
	struct epoll_event ev = { .events = EPOLLIN | (what == EV_KICK ? EPOLLET : 0),
				  .data.u64 = what };

	if (epoll_ctl(srv->epoll, op, fd, &ev))
		rf_die(RF_EXIT_BUG, "epoll_ctl fd %d: %s", fd, strerror(errno));
}

/* Accepts nobody before the disk is known, or while there is no slot or no descriptor. */
static void watch_listener(struct nbd_server *srv)
{
	bool want = srv->info && nbd_slot_possible(srv) && srv->now >= srv->listen_ns;

	if (want != srv->listening)
		nbd_watch(srv, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, RF_EXPORT_FD_LISTEN,
			  EV_LISTEN);
	srv->listening = want;
}

static void nbd_control(struct nbd_server *srv)
{
	int err = rf_blk_control(srv->service);

	if (err == -EPIPE)
		exit(0);
	if (err == -ESTALE)
		exit(RF_EXIT_DEVICE);
	if (err)
		rf_die(RF_EXIT_BUG, "ends: control socket: %s", strerror(-err));
	nbd_server_info(srv);
}

static void nbd_event(struct nbd_server *srv, const struct epoll_event *ev)
{
	struct nbd_conn *c = &srv->conns[ev->data.u64 & 0xff];

	if (ev->data.u64 >> 8) {
		/* An event may outlive its connection within one batch. */
		if (c->id == ev->data.u64 >> 8 && c->state != NBD_FREE && c->state != NBD_DEAD)
			nbd_conn_event(c, ev->events & EPOLLIN, ev->events & EPOLLOUT,
				       ev->events & (EPOLLHUP | EPOLLERR));
	} else if (ev->data.u64 == EV_CONTROL) {
		nbd_control(srv);
	} else if (ev->data.u64 == EV_LISTEN) {
		nbd_accept(srv);
	}
}

#define FOREVER_TURN_NS 20000

/* Waiting for answers, from when the first turn found none. */
struct nbd_lull {
	struct rf_poll_window window;
	uint64_t since; /* 0: not waiting */
};

/* Polls the ring for as long as that has been worth it. True: a response came, or polling goes
 * on for ever. */
static bool spin(struct nbd_server *srv, struct nbd_lull *lull)
{
	struct rf_poll_window *w = &lull->window;

	if (!w->most || !rf_blk_up(srv->service))
		return false;
	uint64_t now = rf_now_ns();
	if (!lull->since)
		lull->since = now;
	/* Polling for ever still returns now and then, for the sockets. */
	uint64_t from = w->most == UINT64_MAX ? now : lull->since;
	uint64_t turn = w->most == UINT64_MAX ? FOREVER_TURN_NS : w->now;
	for (; now - from < turn; now = rf_now_ns()) {
		for (int i = 0; i < SPINS; i++) {
			if (nbd_server_work(srv)) {
				rf_poll_window_learn(w, now - lull->since);
				lull->since = 0;
				return true;
			}
			__builtin_ia32_pause();
		}
	}
	return w->most == UINT64_MAX;
}

/* One turn. True: this process may sleep. While no request is with the driver, only clients can
 * have something for it, and the sleep looks at their sockets first. While there are several, those
 * that came from sockets just now may be followed by more: they are looked at once more. */
static bool turn(struct nbd_server *srv, struct nbd_lull *lull, int events)
{
	int done = nbd_server_work(srv);
	uint32_t inflight = rf_blk_inflight(srv->service);

	if (done && lull->since)
		rf_poll_window_learn(&lull->window, rf_now_ns() - lull->since);
	if (done || !inflight)
		lull->since = 0;
	if (!inflight)
		return true;
	return !done && !(events && inflight > 1) && !spin(srv, lull);
}

/* Milliseconds this process may sleep. */
static int nbd_patience(struct nbd_server *srv)
{
	int ms = rf_blk_patience(srv->service), limited = nbd_limits_patience(srv);

	if (limited >= 0 && (ms < 0 || limited < ms))
		return limited;
	if (ms >= 0)
		return ms;
	return rf_blk_inflight(srv->service) || nbd_server_hurries(srv, false) ||
	       srv->listen_ns > srv->now ? TICK_MS : -1;
}

static void loop(struct nbd_server *srv)
{
	struct epoll_event events[EVENTS];
	struct nbd_lull lull = { 0 };
	uint64_t ticked = 0;
	int turns = 0, got = 0;

	rf_poll_window_open(&lull.window, rf_blk_config(srv->service)->spin_ns);
	for (;;) {
		int timeout = 0;

		/* Sleeps only without work; else the sockets are polled. */
		if (turn(srv, &lull, got) && rf_blk_sleep(srv->service))
			timeout = nbd_patience(srv);
		watch_listener(srv);
		got = epoll_wait(srv->epoll, events, EVENTS, timeout);
		if (got < 0 && errno != EINTR)
			rf_die(RF_EXIT_BUG, "epoll_wait: %s", strerror(errno));
		if (timeout)
			rf_blk_wake(srv->service, false);
		if (timeout || ++turns == 256) {
			turns = 0;
			srv->now = rf_now_ns();
		}
		for (int i = 0; i < got; i++)
			nbd_event(srv, &events[i]);
		if (srv->now - ticked >= TICK_NS) {
			ticked = srv->now;
			/* answers first: one that is here already is not late */
			nbd_server_work(srv);
			nbd_server_tick(srv);
		}
	}
}

int main(void)
{
	static struct nbd_server srv;

	rf_log_name = "rf-nbd";
	int err = rf_blk_open(&srv.service);
	if (!err)
		err = nbd_pools_open(&srv);
	if (err)
		rf_die(RF_EXIT_BUG, "cannot start: %s", strerror(-err));
	srv.errors = rf_blk_stats(srv.service)->client_errors;
	srv.cut = rf_blk_stats(srv.service)->clients_cut;
	srv.whole.name = rf_blk_config(srv.service)->name;
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	int flags = fcntl(RF_EXPORT_FD_LISTEN, F_GETFL);
	if (srv.epoll < 0 || flags < 0 ||
	    fcntl(RF_EXPORT_FD_LISTEN, F_SETFL, flags | O_NONBLOCK))
		rf_die(RF_EXIT_BUG, "cannot set up fd %d (listener): %s", RF_EXPORT_FD_LISTEN,
		       strerror(errno));
	nbd_watch(&srv, EPOLL_CTL_ADD, RF_EXPORT_FD_CONTROL, EV_CONTROL);
	nbd_watch(&srv, EPOLL_CTL_ADD, RF_EXPORT_FD_KICK, EV_KICK);
	err = rf_service_lock("export-nbd");
	if (err)
		return 70;
	srv.now = rf_now_ns();
	loop(&srv);
}
