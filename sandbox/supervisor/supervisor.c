/* SPDX-License-Identifier: MIT */
/* supervisor.c - the supervisor's loop. See supervisor.h. */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "pci.h"

static int open_program(const struct rf_config *c, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", c->program_dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rf_die(RF_EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	return fd;
}

/* A directory that is there already must be ours: under /tmp anybody could have made it. */
static void make_dir(const char *base, const char *name, mode_t mode)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s%s", base, name[0] ? "/" : "", name);
	if (mkdir(path, mode) && errno != EEXIST)
		rf_die(RF_EXIT_SYSTEM, "cannot make %s: %s", path, strerror(errno));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		rf_die(RF_EXIT_SYSTEM, "%s must be a directory of this user's that nobody else may write",
		       path);
}

static void open_all(struct sup *s)
{
	make_dir(s->config.run_dir, "", geteuid() ? 0700 : 0755);
	make_dir(s->config.run_dir, "restore", 0700);
	if (!geteuid()) { /* the root of every other process; only root can give one */
		make_dir("/run/ringfence", "", 0755);
		make_dir("/run/ringfence", "empty", 0555);
	}
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	s->launcher = open_program(&s->config, s->config.launcher);
	s->rf_device = open_program(&s->config, "rf-device");
	for (int i = 0; i < s->config.count; i++) {
		enum rf_export_kind kind = s->config.device[i].export_kind;
		if (!s->export[kind] && export_programs[kind])
			s->export[kind] = open_program(&s->config, export_programs[kind]);
		if (kind == RF_EXPORT_LWIP && !s->dial && rf_lwip_dials(&s->config.device[i].lwip))
			s->dial = open_program(&s->config, "rf-dial");
	}
}

/* Milliseconds until the next driver or device that is held back may start. */
static int wait_time(const struct sup *s)
{
	uint64_t now = now_ns(), first = ~0ull;

	for (int i = 0; i < s->config.count; i++)
		if (dev_due_ns(&s->dev[i]) < first)
			first = dev_due_ns(&s->dev[i]);
	if (first == ~0ull)
		return -1;
	return first <= now ? 0 : (int)((first - now) / 1000000 + 1);
}

static bool anything_left(const struct sup *s)
{
	for (int i = 0; i < s->config.count; i++)
		if (s->dev[i].state != DEV_OFF && s->dev[i].state != DEV_FAILED)
			return true;
	return false;
}

static void stop_all(struct sup *s)
{
	s->stopping = true;
	for (int i = 0; i < s->config.count; i++)
		dev_stop(s, &s->dev[i]);
}

static void keeper_events(struct sup *s)
{
	struct rf_keep_msg msg;

	while (keep_event(s, &msg)) {
		if (msg.type == RF_KEEP_STOP)
			stop_all(s);
		else if (msg.type == RF_KEEP_EXITED)
			dev_exited(s, &msg);
	}
}

static void turn(struct sup *s)
{
	struct pollfd p[2 + RF_MAX_DEVICES] = { { .fd = s->keeper, .events = POLLIN },
						{ .fd = s->listener, .events = POLLIN } };
	int n = 2 + s->config.count;

	for (int i = 0; i < s->config.count; i++)
		p[2 + i] = (struct pollfd){ .fd = s->dev[i].fd[FD_SUP_OURS], .events = POLLIN };
	if (poll(p, (nfds_t)n, wait_time(s)) < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "poll: %s", strerror(errno));
	/* A device's last words come before its exit is looked at. */
	for (int i = 0; i < s->config.count; i++)
		if (p[2 + i].revents & POLLIN)
			dev_message(s, &s->dev[i]);
	/* An answer may have brought events along, so ask whatever poll said. */
	keeper_events(s);
	if (p[1].revents & POLLIN)
		status_serve(s);
	for (int i = 0; i < s->config.count; i++)
		dev_spawn_due(s, &s->dev[i]);
}

int rf_supervisor_main(int keeper, const char *config)
{
	static struct sup s;

	signal(SIGPIPE, SIG_IGN);
	s.keeper = keeper;
	fcntl(keeper, F_SETFD, FD_CLOEXEC);
	if (rf_config_read(config, &s.config))
		return RF_EXIT_CONFIG;
	for (int i = 0; i < s.config.count; i++) {
		s.dev[i].cfg = &s.config.device[i];
		s.dev[i].index = i;
		for (int f = 0; f < DEV_FDS; f++)
			s.dev[i].fd[f] = -1;
	}
	open_all(&s);
	if ((s.listener = status_listen(&s)) < 0)
		return RF_EXIT_IN_USE;
	rf_pci_give_back_all(&s.config);
	for (int i = 0; i < s.config.count; i++)
		dev_start(&s, &s.dev[i]);
	while (anything_left(&s))
		turn(&s);
	for (int i = 0; i < s.config.count && !s.code; i++)
		s.code = s.dev[i].code;
	return s.code;
}
