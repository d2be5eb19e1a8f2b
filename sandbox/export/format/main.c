/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-format: makes the area of `integrity disk`, and ends.
 *
 * Room:   sandbox/export/format, trusted, unprivileged.
 * Start:  no arguments; everything comes by fds (enum rf_export_fd), orders in the flags.
 * Exit:   as rf_format() says; 0 when the device process is gone before it is done; 70 after
 *         one line in the log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "exit_code.h"
#include "export_config.h"
#include "format.h"
#include "housekeeping.h"
#include "lock.h"
#include "log.h"
#include "service.h"

#define TICK_MS 100

enum { EV_CONTROL, EV_KICK };

struct loop {
	struct rf_blk *service;
	int                epoll;
	struct rf_housekeeping housekeeping;
};

static void main_watch(const struct loop *l, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event ev = { .events = events, .data.u64 = what };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev))
		rf_die(RF_EXIT_BUG, "epoll_ctl fd %d: %s", fd, strerror(errno));
}

static void main_control(const struct loop *l)
{
	int err = rf_blk_control(l->service);

	if (err == -EPIPE)
		exit(0);
	if (err)
		rf_die(RF_EXIT_BUG, "ends: control socket: %s", strerror(-err));
}

/* Sleeps once, unless an answer is there. */
static void main_turn(void *with)
{
	struct loop *l = with;
	struct epoll_event events[2];

	rf_blk_push(l->service);
	if (rf_housekeeping_due(&l->housekeeping, RF_TURN_CALLS)) {
		main_control(l);
		rf_blk_tick(l->service);
	}
	if (rf_blk_poll(l->service) || !rf_blk_sleep(l->service))
		return;
	int patience = rf_blk_patience(l->service);
	/* The kick eventfd is edge-triggered: it need not be read to be heard again. */
	int n = epoll_wait(l->epoll, events, 2, patience < 0 ? TICK_MS : patience);
	if (n < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "epoll_wait: %s", strerror(errno));
	rf_blk_wake(l->service, false);
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == EV_CONTROL)
			main_control(l);
	rf_blk_poll(l->service);
	rf_blk_tick(l->service);
}

int main(void)
{
	struct rf_format order = { .turn = main_turn };
	struct loop l = { 0 };

	rf_log_name = "rf-format";
	if (rf_blk_open(&l.service))
		rf_die(RF_EXIT_BUG, "cannot start");
	const struct rf_export_config *config = rf_blk_config(l.service);
	order.service = l.service;
	order.with = &l;
	order.adopt = config->flags & RF_EXPORT_FORMAT_ADOPT;
	order.again = config->flags & RF_EXPORT_FORMAT_AGAIN;
	memcpy(order.key, config->integrity_key, sizeof(order.key));
	if (getrandom(&order.volume, sizeof(order.volume), 0) != sizeof(order.volume))
		rf_die(RF_EXIT_BUG, "no random number: %s", strerror(errno));
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l.epoll < 0)
		rf_die(RF_EXIT_BUG, "epoll_create1: %s", strerror(errno));
	main_watch(&l, RF_EXPORT_FD_CONTROL, EPOLLIN, EV_CONTROL);
	main_watch(&l, RF_EXPORT_FD_KICK, EPOLLIN | EPOLLET, EV_KICK);
	if (rf_service_lock("export-format"))
		return RF_EXIT_BUG;
	while (!rf_blk_info(l.service))
		main_turn(&l);
	return rf_format(&order);
}
