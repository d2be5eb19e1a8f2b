/* SPDX-License-Identifier: MIT */
/*
 * crash_client.c - hands what is known of a dead driver to rf-crash, which writes its bundle.
 *
 * Room:   sandbox/supervisor, no privilege. rf-crash is not: its own user, an empty root, a
 *         list of system calls, and of fds one directory, the records, and the kernel's log.
 * Loss:   it never holds a recovery up. A record it has no room for is not sent; the gap in
 *         the numbers says so in the next bundle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crash.h"
#include "log.h"
#include "supervisor.h"

static uint32_t uid_of(const struct sup *s)
{
	return s->config->uid_base + RF_UID_CRASH;
}

/* Best effort: without rf-crash a death gets no bundle. A predecessor's rf-crash may still be
 * ending, so that the name is taken; then the next death starts one. */
static void crash_client_start(struct sup *s)
{
	const uint32_t uid = uid_of(s);
	struct rf_keep_spawn spawn = { .uid = uid,
				       .gid = uid,
				       .nofile = 64,
				       .fence = RF_FENCE_ROOT,
				       .argv0 = "rf-crash",
				       .target = { 0, 2, RF_CRASH_FD_CONTROL, RF_CRASH_FD_DIR,
						   RF_CRASH_FD_KMSG } };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return;
	const int fds[] = { s->reporter.program, 2, pair[1], s->reporter.dir, s->reporter.kmsg };
	int err = keep_spawn(s, "crash", &spawn, fds, 5, &pid, NULL);
	close(pair[1]);
	if (!err) {
		s->reporter.socket = pair[0];
		return;
	}
	close(pair[0]);
	if (err != -EEXIST)
		rf_log("cannot start rf-crash: %s: no crash bundles", strerror(-err));
}

void crash_reporter_start(struct sup *s)
{
	s->reporter.program = open_program(s, RF_PROGRAM_CRASH);
	if (open_one(s, &s->dev[0], RF_OPEN_BUNDLES, &s->reporter.dir))
		_exit(RF_EXIT_SYSTEM);
	if (open_one(s, &s->dev[0], RF_OPEN_KMSG, &s->reporter.kmsg) || s->reporter.kmsg < 0)
		s->reporter.kmsg = s->null;
	s->reporter.socket = -1;
	crash_client_start(s);
}

void crash_report_request(struct sup *s, const struct dev *d, const struct rf_keep_msg *m,
			  enum death why, const char *words, const char *json)
{
	static const char *const names[DEATHS] = {
		[DEATH_CRASH] = "crash", [DEATH_HANG] = "hang", [DEATH_STALL] = "stall",
		[DEATH_PROTO] = "lie", [DEATH_HANDOVER] = "handover", [DEATH_STORM] = "storm",
		[DEATH_RESET] = "reset",
	};
	struct rf_death death = { .seq = ++s->reporter.deaths,
				  .stack_words = m->exit_info.stack_words };
	const int fds[RF_DEATH_FDS] = { [RF_DEATH_FD_STATS] = d->fd[FD_STATS],
					[RF_DEATH_FD_IMAGE] = d->fd[FD_IMAGE] };

	sscanf(strrchr(m->name, '.') + 1, "%u", &death.generation);
	death.queue = dev_queue_of(d, death.generation);
	if (m->walls.locked) {
		death.image = m->walls.image;
		death.image_bytes = m->walls.image_bytes;
	}
	snprintf(death.device, sizeof(death.device), "%s", d->cfg->name);
	snprintf(death.driver, sizeof(death.driver), "%s", d->cfg->policy.driver);
	snprintf(death.policy, sizeof(death.policy), "%s", d->cfg->policy_file);
	snprintf(death.why, sizeof(death.why), "%s", names[why]);
	snprintf(death.words, sizeof(death.words), "%s", words);
	snprintf(death.json, sizeof(death.json), "%s", json);
	memcpy(death.regs, m->exit_info.regs, sizeof(death.regs));
	memcpy(death.stack, m->exit_info.stack, sizeof(death.stack));
	if (s->reporter.socket < 0)
		crash_client_start(s);
	if (s->reporter.socket >= 0 && rf_packet_send(s->reporter.socket, &death, sizeof(death),
						      fds, RF_DEATH_FDS) == -EPIPE) {
		close(s->reporter.socket);
		s->reporter.socket = -1; /* the next death starts another one */
	}
}
