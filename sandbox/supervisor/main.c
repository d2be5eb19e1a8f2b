/* SPDX-License-Identifier: MIT */
/*
 * main.c - the supervisor's loop. See supervisor.h.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include "clock.h"
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "filters.h"
#include "log.h"
#include "privilege.h"

static void supervisor_open_all(struct sup *s)
{
	if (open_one(s, &s->dev[0], RF_OPEN_NULL, &s->null))
		rf_die(RF_EXIT_SYSTEM, "there is no /dev/null");
	s->launcher = open_program(s, RF_PROGRAM_LAUNCHER);
	s->rf_device = open_program(s, RF_PROGRAM_DEVICE);
	for (int i = 0; i < s->config->count + s->config->gone; i++) {
		enum rf_export_kind kind = s->config->device[i].export_kind;
		if (!s->export[kind] && rf_export_programs[kind])
			s->export[kind] = open_program(s, RF_PROGRAM_EXPORT + kind);
		if (kind == RF_EXPORT_LWIP && !s->dial && rf_lwip_dials(&s->config->device[i].lwip))
			s->dial = open_program(s, RF_PROGRAM_DIAL);
	}
	crash_reporter_start(s);
}

/* The latest of all devices. 0 while a launcher is waiting for a death to be acknowledged. */
static uint64_t busy_until_ns(const struct sup *s)
{
	uint64_t last = 0;

	for (int i = 0; i < s->count; i++) {
		if (dev_wants(&s->dev[i]))
			return 0;
		if (dev_busy_until_ns(&s->dev[i]) > last)
			last = dev_busy_until_ns(&s->dev[i]);
	}
	return last;
}

/* Milliseconds until the next driver or device that is held back may start, or `busy` is over.
 * 0: there is something to do that no descriptor tells of. */
static int supervisor_wait_time(const struct sup *s, uint64_t busy)
{
	uint64_t now = rf_now_ns(), first = busy ? busy : keep_pending() ? 0 : ~0ull;

	if (status_due_ns(s) < first)
		first = status_due_ns(s);
	if (reload_due_ns(s) < first)
		first = reload_due_ns(s);

	for (int i = 0; i < s->count; i++) {
		if (dev_due_ns(&s->dev[i]) < first)
			first = dev_due_ns(&s->dev[i]);
		if (ping_due_ns(&s->dev[i]) < first)
			first = ping_due_ns(&s->dev[i]);
	}
	if (first == ~0ull)
		return -1;
	return first <= now ? 0 : (int)((first - now) / 1000000 + 1);
}

static bool anything_left(const struct sup *s)
{
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].r.state != DEV_OFF && s->dev[i].r.state != DEV_FAILED)
			return true;
	return false;
}

static void stop_all(struct sup *s)
{
	s->stopping = true;
	for (int i = 0; i < s->count; i++)
		dev_stop(s, &s->dev[i]);
}

static void loader_ended(struct sup *s, const struct rf_keep_msg *dead)
{
	int code = reload_loaded(s, dead);

	status_loaded(s, code);
	if (!code)
		reload_renew(s);
}

static void keeper_events(struct sup *s)
{
	struct rf_keep_msg msg;

	while (keep_event(s, &msg)) {
		if (msg.type == RF_KEEP_STOP)
			stop_all(s);
		if (msg.type == RF_KEEP_PING)
			keep_pong(s);
		if (msg.type == RF_KEEP_HANGUP)
			reload_hangup(s);
		if (msg.type != RF_KEEP_EXITED)
			continue;
		if (!strcmp(msg.name, RF_KEEP_LOADER))
			loader_ended(s, &msg);
		else
			dev_exited(s, &msg);
		record_write(s);
		keep_ack_exit(s, &msg);
	}
}

static void supervisor_turn(struct sup *s)
{
	uint64_t busy = busy_until_ns(s);
	struct pollfd *p = s->poll;
	int n = 2 + s->count, first_client = n;

	p[0] = (struct pollfd){ .fd = busy ? -1 : s->keeper, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = s->listen_ns ? -1 : s->listener, .events = POLLIN };
	for (int i = 0; i < s->count; i++)
		p[2 + i] = (struct pollfd){ .fd = s->dev[i].fd[FD_SUP_OURS], .events = POLLIN };
	for (int i = 0; i < RF_CLIENTS; i++)
		p[n++] = (struct pollfd){ .fd = s->client[i].fd,
					  .events = status_events(&s->client[i]) };
	int ms = supervisor_wait_time(s, busy);
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	if (ppoll(p, (nfds_t)n, ms < 0 ? NULL : &t, NULL) < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "ppoll: %s", strerror(errno));
	/* A device process's last messages are handled before its exit. */
	for (int i = 0; i < s->count; i++)
		if (p[2 + i].revents & POLLIN)
			dev_message(s, &s->dev[i]);
	/* Events may have come with an answer, where poll() does not show them: so this is
	 * called in any case. */
	if (!busy_until_ns(s))
		keeper_events(s);
	for (int i = 0; i < RF_CLIENTS; i++)
		if (p[first_client + i].revents)
			status_serve(s, &s->client[i]);
	if (p[1].revents & POLLIN)
		status_accept(s);
	status_due(s);
	for (int i = 0; i < s->count; i++) {
		dev_due(s, &s->dev[i]);
		ping_tick(s, &s->dev[i]);
	}
	reload_due(s);
	rf_log_catch_up();
	record_write(s);
}

/* The first supervisor: every device waits for its start, which is due at once. */
static int first(struct sup *s)
{
	devices_settle(s, false);
	keep_delete(s, "control"); /* left by a supervisor that died before it made the record */
	if (open_one(s, &s->dev[0], RF_OPEN_CONTROL, &s->listener))
		return RF_EXIT_IN_USE;
	open_return(s);
	int err = keep_store(s, "control", s->listener);
	if (!err)
		err = record_make(s);
	if (err)
		rf_log("cannot keep the state that a successor would need: %s", strerror(-err));
	return err ? RF_EXIT_SYSTEM : 0;
}

int main(int argc, char **argv)
{
	static struct sup s;

	if (argc != 2 || strcmp(argv[1], "supervise"))
		rf_die(RF_EXIT_USAGE, "this program is for the keeper to start");
	rf_log_name = "ringfence";
	prctl(PR_SET_NAME, "rf-supervisor");
	rf_memory_hold();
	signal(SIGPIPE, SIG_IGN);
	s.keeper = RF_OWN_FD_ABOVE;
	s.broker = RF_OWN_FD_BROKER;
	s.pid = getpid();
	s.deaths = -1;
	if (!(s.config = rf_config_map(RF_OWN_FD_CONFIG)))
		return RF_EXIT_BUG;
	close(RF_OWN_FD_CONFIG);
	rf_lock(rf_filters, "supervisor");
	if (devices_make(&s))
		rf_die(RF_EXIT_SYSTEM, "no memory for %d devices", s.config->count);
	for (int i = 0; i < RF_CLIENTS; i++)
		s.client[i].fd = -1;
	int record = keep_retrieve(&s, "record");
	supervisor_open_all(&s);
	int code = record < 0 ? first(&s) : adopt_all(&s, record);
	if (code)
		return code;
	/* A client that connected may be gone before accept(), which must not block then. */
	fcntl(s.listener, F_SETFL, O_NONBLOCK);
	while (anything_left(&s))
		supervisor_turn(&s);
	for (int i = 0; i < s.count && !s.code; i++)
		s.code = s.dev[i].r.code;
	return s.code;
}
