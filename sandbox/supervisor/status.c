/* SPDX-License-Identifier: MIT */
/*
 * status.c - the control socket: one request of snapshot.h, its answer, closed.
 *
 * Room:   sandbox/supervisor, privileged. Only root (or the owner) can connect;
 *         requests are fixed records, answers still bounded in time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "snapshot.h"
#include "supervisor.h"

static pid_t driver_pid(const struct dev *d)
{
	return d->generation ? d->driver_pid[d->generation & 1] : 0;
}

/* Not one that is dead and yet to be buried. */
static pid_t standby_pid(const struct dev *d)
{
	return d->last_wanted == d->generation ? 0 : d->driver_pid[!(d->generation & 1)];
}

static void put_device(struct sup *s, struct dev *d, int sock)
{
	const struct dev *stack = stack_of(s, d);
	struct rf_snapshot shot = {
		.state = d->state, .export_kind = d->cfg->export_kind, .code = d->code,
		.service = d->cfg->policy.device.service, .generation = d->generation,
		.driver_pid = driver_pid(d), .standby_pid = standby_pid(d),
		.device_pid = d->device_pid, .export_pid = (stack ? stack : d)->export_pid,
		.deaths = d->deaths, .standby_deaths = d->standby_deaths,
		.process_deaths = d->process_deaths, .size = d->info.size,
		.block_size = d->info.block_size, .supervisor_pid = s->pid, .takeovers = s->takeovers,
	};

	dev_walls(s, d);
	shot.walls = d->walls;
	if (d->away_ns)
		shot.server_away_s = (uint32_t)((now_ns() - d->away_ns) / 1000000000) + 1;
	shot.server_failed = d->away_told;
	strcpy(shot.name, d->cfg->name);
	strcpy(shot.pci, d->cfg->pci);
	strcpy(shot.driver, d->cfg->policy.driver);
	memcpy(shot.died_of, d->died_of, sizeof(shot.died_of));
	(void)rf_packet_send(sock, &shot, sizeof(shot), &d->fd[FD_STATS], d->fd[FD_STATS] >= 0);
}

static int answer(struct sup *s, const struct rf_ask *ask, int sock)
{
	for (int i = 0; i < s->config.count; i++) {
		struct dev *d = &s->dev[i];

		if (ask->verb == RF_ASK_STATUS)
			put_device(s, d, sock);
		else if (ask->verb == RF_ASK_STOP)
			dev_stop(s, d);
		else if (!strcmp(d->cfg->name, ask->device)) {
			dev_restart(s, d);
			return 0;
		}
	}
	return ask->verb == RF_ASK_RESTART ? -ENOENT : 0;
}

void status_serve(struct sup *s)
{
	struct timeval limit = { .tv_sec = 2 };
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), fds[RF_PACKET_FDS], count;
	struct rf_ask ask;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	int n = rf_packet_recv(fd, &ask, sizeof(ask), fds, &count, 0);
	rf_close_all(fds, count);
	if (n == sizeof(ask)) {
		bool known = ask.verb >= RF_ASK_STATUS && ask.verb <= RF_ASK_STOP;
		struct rf_answer a = { .error = -EINVAL };

		ask.device[RF_NAME - 1] = '\0';
		s->stopping |= ask.verb == RF_ASK_STOP;
		if (known)
			a.error = answer(s, &ask, fd);
		(void)rf_packet_send(fd, &a, sizeof(a), NULL, 0);
	}
	close(fd);
}
