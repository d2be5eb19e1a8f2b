/* SPDX-License-Identifier: MIT */
/* rig.c - see rig.h. Room: tests/campaign. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../tools/status.h"

#define ATTACKED "\"device\":\"disk0\""
#define OTHER    "\"device\":\"disk1\""

uint64_t rig_now_us(void)
{
	return now_ns() / 1000;
}

static bool is(const char *at, const char *end, const char *what)
{
	const char *p = strstr(at, what);

	return p && p < end;
}

/* On a machine that is too busy to let us write our question in time, it is asked again. */
static const char *status(void)
{
	const char *path = getenv("RF_CONTROL");
	int err = -1;

	for (int i = 0; i < 20 && err; i++) {
		FILE *f = fmemopen(answer_text, sizeof(answer_text), "w");

		answer_text[0] = '\0';
		err = !f || client_ask(path, "status-json", "", f);
		if (f)
			fclose(f);
		if (err)
			nap(100000);
	}
	if (err) {
		fprintf(stderr, "inject: no supervisor answers\n");
		exit(1);
	}
	return answer_text;
}

struct seen rig_look(void)
{
	const char *all = status(), *at = strstr(all, ATTACKED), *end = at ? strchr(at, '}') : NULL;
	const char *o = strstr(all, OTHER), *oend = o ? strchr(o, '}') : NULL;

	if (!end || !oend) {
		fprintf(stderr, "inject: the status lacks a device\n");
		exit(1);
	}
	return (struct seen){
		.running = is(at, end, "\"state\":\"running\""),
		.quarantined = is(at, end, "\"state\":\"quarantined\"") ||
			       is(at, end, "\"state\":\"failed\""),
		.generation = (uint32_t)member(at, end, "generation"),
		.driver = (pid_t)member(at, end, "driver_pid"),
		.standby = (pid_t)member(at, end, "standby_pid"),
		.device = (pid_t)member(at, end, "device_pid"),
		.export = (pid_t)member(at, end, "export_pid"),
		.deaths = member(at, end, "deaths"),
		.standby_deaths = member(at, end, "standby_deaths"),
		.process_deaths = member(at, end, "process_deaths"),
		.crashes = member(at, end, "crashes"),
		.hangs = member(at, end, "hangs"),
		.stalls = member(at, end, "stall_deaths"),
		.lies = member(at, end, "lies"),
		.failed = member(at, end, "failed"),
		.other = {
			.driver = (pid_t)member(o, oend, "driver_pid"),
			.device = (pid_t)member(o, oend, "device_pid"),
			.export = (pid_t)member(o, oend, "export_pid"),
			.deaths = member(o, oend, "deaths") + member(o, oend, "standby_deaths"),
			.process_deaths = member(o, oend, "process_deaths"),
			.failed = member(o, oend, "failed"),
			.completed = member(o, oend, "completed"),
		},
	};
}

void rig_restart(void)
{
	(void)ask("restart", "disk0");
}

int rig_model_open(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : fd;
}

static char told[1 << 16];

int rig_model_tell(int fd, const char *command)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t used = 0;

	told[0] = 0;
	if (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		return -errno;
	while (used < sizeof(told) - 1 && poll(&p, 1, 10000) == 1) {
		ssize_t n = read(fd, told + used, sizeof(told) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		told[used] = 0;
		if (strstr(told, "error: "))
			return -EINVAL;
		if (used >= 3 && !strcmp(told + used - 3, "ok\n"))
			return 0;
	}
	return -ETIME;
}

uint64_t rig_model_struck(int fd, const char *name)
{
	char line[64];
	const char *at;

	if (rig_model_tell(fd, "counters\n"))
		return 0;
	snprintf(line, sizeof(line), "fault %s ", name);
	at = strstr(told, line);
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}
