/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-load: see load.h.
 *
 * Room:   tests/load.
 * Output: one JSON line a round.
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

#include "load.h"
#include "load_mark.h"

#define CLOCK_EVERY 16
#define TICK_MS     100
#define WATCH_NS    5000000u /* between two looks whether the driver moves */

enum { EV_CONTROL, EV_KICK };

const char load_name[] = "rf-load";

static void load_control(struct load *l)
{
	int err = rf_blk_control(l->disk);

	if (err == -EPIPE)
		exit(0);
	if (err)
		load_die("ends: control socket: %s", strerror(-err));
}

static void load_watch(int epoll, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event ev = { .events = events, .data.u64 = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
		load_die("epoll_ctl fd %d: %s", fd, strerror(errno));
}

static void load_sleep_once(struct load *l, int epoll)
{
	struct epoll_event events[2];

	if (!rf_blk_sleep(l->disk))
		return;
	l->sleeps++;
	int patience = rf_blk_patience(l->disk);
	int n = epoll_wait(epoll, events, 2, patience < 0 ? TICK_MS : patience);
	if (n < 0 && errno != EINTR)
		load_die("epoll_wait: %s", strerror(errno));
	/* The kick eventfd is edge-triggered: it need not be read to be heard again. */
	rf_blk_wake(l->disk, false);
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == EV_CONTROL)
			load_control(l);
	/* Not only when nothing came: a driver can kick for ever and do no work. */
	if (!n || load_now_ns() - l->watched >= WATCH_NS) {
		rf_blk_poll(l->disk);
		rf_blk_tick(l->disk);
		l->watched = load_now_ns();
	}
}

/* True: messages and driver were looked at. */
static bool load_housekeeping(struct load *l, enum rf_turn_weight weight)
{
	if (!rf_housekeeping_due(&l->housekeeping, weight))
		return false;
	load_control(l);
	rf_blk_tick(l->disk);
	return true;
}

/* Nothing came: look again for as long as that has been worth it, then sleep. */
static void load_idle(struct load *l, int epoll)
{
	struct rf_poll_window *w = &l->window;
	bool forever = w->most == UINT64_MAX;
	uint64_t from = forever ? 0 : load_now_ns();

	for (unsigned empty = 1; w->now && rf_blk_up(l->disk); empty++) {
		l->empty_polls++;
		__builtin_ia32_pause();
		if (rf_blk_poll(l->disk))
			return;
		if (load_housekeeping(l, RF_TURN_EMPTY))
			return;
		if (!forever && !(empty % CLOCK_EVERY) &&
		    !rf_poll_window_lasts(w, load_now_ns() - from))
			break;
	}
	load_sleep_once(l, epoll);
	rf_poll_window_learn(w, load_now_ns() - from);
}

static void load_run(struct load *l, int epoll)
{
	load_feed(l);
	rf_blk_push(l->disk);
	while (load_busy(l)) {
		if (!rf_blk_poll(l->disk))
			load_idle(l, epoll);
		/* One lost answer among many that come must be missed, too. */
		load_housekeeping(l, l->args.verify ? RF_TURN_LONG : RF_TURN_BATCH);
		load_feed(l);
		rf_blk_push(l->disk);
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

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		load_die("cannot write the result: %s", strerror(errno));
}

static void rounds(struct load *l, int epoll)
{
	for (uint32_t round = 1; round <= l->args.rounds; round++) {
		l->errors = l->mismatches = l->verified = 0;
		l->empty_polls = l->sleeps = 0;
		l->left = l->args.requests;
		uint64_t begin = load_now_ns();
		if (l->args.marks)
			rf_mark_begin();
		load_run(l, epoll);
		if (l->args.marks)
			rf_mark_end();
		uint64_t elapsed = load_now_ns() - begin;
		if (l->args.verify && round == l->args.rounds) {
			l->sweep = true;
			l->next = 0;
			load_run(l, epoll);
		}
		rf_blk_tick(l->disk);
		load_report(l, round, l->args.requests, elapsed);
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		load_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

int main(void)
{
	static struct load l;

	rf_program_name(load_name);
	if (rf_blk_open(&l.disk) || load_parse(rf_blk_words(l.disk), &l.args))
		load_die("cannot start");
	if (l.args.pin >= 0)
		pin(l.args.pin);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		load_die("epoll_create1: %s", strerror(errno));
	rf_poll_window_open(&l.window, rf_blk_spin_ns(l.disk));
	load_watch(epoll, rf_blk_control_fd(l.disk), EPOLLIN, EV_CONTROL);
	load_watch(epoll, rf_blk_kick_fd(l.disk), EPOLLIN | EPOLLET, EV_KICK);
	/* How large the tables are depends on the disk: nothing is allocated later. */
	while (!rf_blk_info(l.disk))
		if (!rf_blk_poll(l.disk))
			load_sleep_once(&l, epoll);
	if (load_prepare(&l) || rf_program_lock())
		return LOAD_EXIT;
	rounds(&l, epoll);
	return 0;
}
