/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-load: the block service with a load generator where an export has its
 * protocol.
 *
 * Room:   sandbox/export/load, trusted, unprivileged.
 * Start:  no arguments; fds of enum rf_export_fd, what to do in rf_export_config.bench
 *         (load.h). RF_EXPORT_FD_LISTEN is where one JSON line a round is written.
 * Exit:   0 when all rounds are done or the device process is gone, 70 after one line
 *         in the log. Whether the data was right is in the JSON, not in the exit code.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "housekeeping.h"
#include "load.h"
#include "lock.h"
#include "load_mark.h"
#include "log.h"

#define CLOCK_EVERY 64
#define TICK_MS     100
#define WATCH_NS    5000000u /* between two looks whether the driver moves */

enum { EV_CONTROL, EV_KICK };

static void load_control(struct load *l)
{
	int err = rf_blk_control(l->service);

	if (err == -EPIPE)
		exit(0);
	if (err)
		rf_die(RF_EXIT_BUG, "ends: control socket: %s", strerror(-err));
}

static void load_watch(int epoll, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event ev = { .events = events, .data.u64 = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
		rf_die(RF_EXIT_BUG, "epoll_ctl fd %d: %s", fd, strerror(errno));
}

static void load_sleep_once(struct load *l, int epoll)
{
	struct epoll_event events[2];

	if (!rf_blk_sleep(l->service))
		return;
	l->sleeps++;
	int patience = rf_blk_patience(l->service);
	int n = epoll_wait(epoll, events, 2, patience < 0 ? TICK_MS : patience);
	if (n < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "epoll_wait: %s", strerror(errno));
	/* The kick eventfd is edge-triggered: it need not be read to be heard again. */
	rf_blk_wake(l->service, false);
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == EV_CONTROL)
			load_control(l);
	/* Not only when nothing came: a driver can kick for ever and do no work. */
	if (!n || rf_now_ns() - l->watched >= WATCH_NS) {
		rf_blk_poll(l->service);
		rf_blk_tick(l->service);
		l->watched = rf_now_ns();
	}
}

/* True: messages and driver were looked at. */
static bool load_housekeeping(struct load *l, enum rf_turn_weight weight)
{
	if (!rf_housekeeping_due(&l->housekeeping, weight))
		return false;
	load_control(l);
	rf_blk_tick(l->service);
	return true;
}

/* Nothing came: spin for the budget, then sleep. */
static void load_idle(struct load *l, int epoll)
{
	uint64_t budget = rf_blk_up(l->service) ? rf_blk_config(l->service)->spin_ns : 0;
	uint64_t until = 0;

	for (unsigned empty = 1; budget; empty++) {
		l->empty_polls++;
		__builtin_ia32_pause();
		if (rf_blk_poll(l->service))
			return;
		if (load_housekeeping(l, RF_TURN_EMPTY))
			return;
		if (budget == ~0ull || empty % CLOCK_EVERY)
			continue;
		uint64_t now = rf_now_ns();
		if (!until)
			until = now + budget;
		else if (now >= until)
			break;
	}
	load_sleep_once(l, epoll);
}

static void load_run(struct load *l, int epoll)
{
	load_feed(l);
	rf_blk_push(l->service);
	while (load_busy(l)) {
		if (!rf_blk_poll(l->service))
			load_idle(l, epoll);
		/* One lost answer among many that come must be missed, too. */
		load_housekeeping(l, l->args.verify ? RF_TURN_LONG : RF_TURN_BATCH);
		load_feed(l);
		rf_blk_push(l->service);
	}
}

static void load_report(struct load *l, uint32_t round, uint64_t requests, uint64_t elapsed)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
			 "{\"mode\":\"%s\",\"bs\":%u,\"qd\":%u,\"round\":%u,\"requests\":%llu,"
			 "\"bytes\":%llu,\"errors\":%llu,\"mismatches\":%llu,\"verified\":%llu,"
			 "\"elapsed_ns\":%llu,\"empty_polls\":%llu,\"sleeps\":%llu}\n",
			 load_mode_name(l->args.mode), l->args.bs, l->args.qd, round,
			 (unsigned long long)requests, (unsigned long long)(requests * l->args.bs),
			 (unsigned long long)l->errors, (unsigned long long)l->mismatches,
			 (unsigned long long)l->verified, (unsigned long long)elapsed,
			 (unsigned long long)l->empty_polls, (unsigned long long)l->sleeps);

	if (write(RF_EXPORT_FD_LISTEN, line, (size_t)n) != n)
		rf_die(RF_EXIT_BUG, "cannot write the result: %s", strerror(errno));
}

static void rounds(struct load *l, int epoll)
{
	for (uint32_t round = 1; round <= l->args.rounds; round++) {
		l->errors = l->mismatches = l->verified = 0;
		l->empty_polls = l->sleeps = 0;
		l->left = l->args.requests;
		uint64_t begin = rf_now_ns();
		if (l->args.marks)
			rf_mark_begin();
		load_run(l, epoll);
		if (l->args.marks)
			rf_mark_end();
		uint64_t elapsed = rf_now_ns() - begin;
		if (l->args.verify && round == l->args.rounds) {
			l->sweep = true;
			l->next = 0;
			load_run(l, epoll);
		}
		rf_blk_tick(l->service);
		load_report(l, round, l->args.requests, elapsed);
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		rf_die(RF_EXIT_BUG, "cannot run on CPU %d: %s", cpu, strerror(errno));
}

int main(void)
{
	static struct load l;

	rf_log_name = "rf-load";
	if (rf_blk_open(&l.service) ||
	    load_parse(rf_blk_config(l.service)->bench, &l.args))
		rf_die(RF_EXIT_BUG, "cannot start");
	if (l.args.pin >= 0)
		pin(l.args.pin);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		rf_die(RF_EXIT_BUG, "epoll_create1: %s", strerror(errno));
	load_watch(epoll, RF_EXPORT_FD_CONTROL, EPOLLIN, EV_CONTROL);
	load_watch(epoll, RF_EXPORT_FD_KICK, EPOLLIN | EPOLLET, EV_KICK);
	/* How large the tables are depends on the disk: nothing is allocated later. */
	while (!rf_blk_info(l.service))
		if (!rf_blk_poll(l.service))
			load_sleep_once(&l, epoll);
	if (load_prepare(&l) || rf_service_lock("export-load"))
		return RF_EXIT_BUG;
	rounds(&l, epoll);
	return 0;
}
