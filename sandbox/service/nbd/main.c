/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-nbd: one disk for NBD clients.
 *
 * Room:   sandbox/service/nbd, trusted, unprivileged.
 * Start:  no arguments; everything comes by fds (enum rf_export_fd).
 * Exit:   0 when the device process is gone, 70 after one line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "lock.h"
#include "log.h"
#include "nbd.h"
#include "stats.h"

#define EVENTS  64
#define TICK_NS 100000000ull
#define TICK_MS 100
#define SPINS   32 /* polls between looks at the clock */

/* epoll data of the fds that are no client (a client's id starts at 1) */
enum { EV_CONTROL, EV_KICK, EV_LISTEN };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void watch(struct nbd_server *srv, int op, int fd, uint64_t what)
{
	/* A kick need not be read to be heard again. */
	struct epoll_event ev = { .events = EPOLLIN | (what == EV_KICK ? EPOLLET : 0),
				  .data.u64 = what };

	if (epoll_ctl(srv->epoll, op, fd, &ev))
		rf_die(70, "epoll_ctl fd %d: %s", fd, strerror(errno));
}

/* Nobody is let in before the disk is known, or while every seat is taken. */
static void watch_listener(struct nbd_server *srv)
{
	bool want = srv->info && srv->clients < NBD_CLIENTS;

	if (want != srv->listening)
		watch(srv, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, RF_EXPORT_FD_LISTEN, EV_LISTEN);
	srv->listening = want;
}

static void control(struct nbd_server *srv)
{
	int err = rf_service_control(srv->service);

	if (err == -EPIPE)
		exit(0);
	if (err)
		rf_die(70, "ends: control socket: %s", strerror(-err));
	srv->info = rf_service_info(srv->service);
}

static void event(struct nbd_server *srv, const struct epoll_event *ev)
{
	struct nbd_conn *c = &srv->conns[ev->data.u64 & 0xff];

	if (ev->data.u64 >> 8) {
		/* An event may outlive its connection within one batch. */
		if (c->id == ev->data.u64 >> 8 && c->state != NBD_FREE && c->state != NBD_DEAD)
			nbd_conn_event(c, ev->events);
	} else if (ev->data.u64 == EV_CONTROL) {
		control(srv);
	} else if (ev->data.u64 == EV_LISTEN) {
		nbd_accept(srv);
	}
}

static void retry_stuck(struct nbd_server *srv)
{
	srv->retry = false;
	for (uint32_t i = 0; i < NBD_CLIENTS; i++)
		if (srv->conns[i].stuck && srv->conns[i].state < NBD_CLOSING &&
		    srv->conns[i].state != NBD_FREE)
			nbd_conn_input(&srv->conns[i]);
}

static void send_dirty(struct nbd_server *srv)
{
	while (srv->dirty) {
		struct nbd_conn *c = srv->dirty;

		srv->dirty = c->dirty_next;
		c->dirty = false;
		nbd_conn_send(c);
	}
}

/* Number of completions. */
static int work(struct nbd_server *srv)
{
	int done = rf_service_poll(srv->service);

	do {
		send_dirty(srv);
		if (srv->retry)
			retry_stuck(srv);
	} while (srv->dirty);
	rf_service_flush(srv->service);
	return done;
}

static bool greeting(struct nbd_server *srv, bool cut_off)
{
	bool any = false;

	for (uint32_t i = 0; i < NBD_CLIENTS; i++) {
		struct nbd_conn *c = &srv->conns[i];

		if (c->state < NBD_HELLO || c->state >= NBD_REQUEST)
			continue;
		any = true;
		if (cut_off && srv->now > c->greet_until)
			nbd_conn_close(c, "does not get on with the negotiation");
	}
	return any;
}

static void tick(struct nbd_server *srv)
{
	rf_service_tick(srv->service);
	greeting(srv, true);
	atomic_store_explicit(&rf_service_stats(srv->service)->client_errors, srv->errors,
			      memory_order_relaxed);
}

/* True: a response came while we looked for one. */
static bool spin(struct nbd_server *srv)
{
	uint64_t budget = rf_service_up(srv->service) ? rf_service_config(srv->service)->spin_ns : 0;

	if (!budget || !rf_service_inflight(srv->service))
		return false;
	for (uint64_t until = now_ns() + budget; now_ns() < until;) {
		for (int i = 0; i < SPINS; i++) {
			if (work(srv))
				return true;
			__builtin_ia32_pause();
		}
	}
	return false;
}

static void loop(struct nbd_server *srv)
{
	struct epoll_event events[EVENTS];
	uint64_t ticked = 0;
	int turns = 0, got = 0;

	for (;;) {
		int timeout = 0;

		/* While there is work the sockets are only looked at. */
		if (!work(srv) && !got && !spin(srv) && rf_service_sleep(srv->service))
			timeout = rf_service_inflight(srv->service) || greeting(srv, false) ?
					  TICK_MS : -1;
		watch_listener(srv);
		got = epoll_wait(srv->epoll, events, EVENTS, timeout);
		if (got < 0 && errno != EINTR)
			rf_die(70, "epoll_wait: %s", strerror(errno));
		if (timeout)
			rf_service_wake(srv->service, false);
		if (timeout || ++turns == 256) {
			turns = 0;
			srv->now = now_ns();
		}
		for (int i = 0; i < got; i++)
			event(srv, &events[i]);
		if (srv->now - ticked >= TICK_NS) {
			ticked = srv->now;
			work(srv); /* an answer that is there already is not late */
			tick(srv);
		}
	}
}

int main(void)
{
	static struct nbd_server srv;

	rf_log_name = "rf-nbd";
	int err = rf_service_open(&srv.service);
	if (!err)
		err = nbd_pools_open(&srv);
	if (err)
		rf_die(70, "cannot start: %s", strerror(-err));
	srv.errors = rf_service_stats(srv.service)->client_errors;
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	int flags = fcntl(RF_EXPORT_FD_LISTEN, F_GETFL);
	if (srv.epoll < 0 || flags < 0 ||
	    fcntl(RF_EXPORT_FD_LISTEN, F_SETFL, flags | O_NONBLOCK))
		rf_die(70, "cannot set up fd %d (listener): %s", RF_EXPORT_FD_LISTEN, strerror(errno));
	watch(&srv, EPOLL_CTL_ADD, RF_EXPORT_FD_CONTROL, EV_CONTROL);
	watch(&srv, EPOLL_CTL_ADD, RF_EXPORT_FD_KICK, EV_KICK);
	err = rf_service_lock("export-nbd");
	if (err)
		return 70;
	srv.now = now_ns();
	loop(&srv);
}
