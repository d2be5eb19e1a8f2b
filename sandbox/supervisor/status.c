/* SPDX-License-Identifier: MIT */
/*
 * status.c - the control socket: one request of control_socket.h, its answer, closed.
 *
 * Room:   sandbox/supervisor, no privilege. Only root (or the owner) can connect;
 *         requests are fixed records. Nobody waits for who asks: all answers to one request
 *         fit into its socket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "clock.h"
#include "control_socket.h"
#include "supervisor.h"

#define PATIENCE_NS 2000000000ull /* how long a client may be connected without asking */

static void put_queue(const struct dev *d, uint32_t i, struct rf_snapshot_queue *out)
{
	const struct queue_record *q = &d->r.queue[i];
	/* none runs: as if one in half 0 did */
	uint32_t half = q->generation ? dev_half_of(d, q->generation) : 0;

	*out = (struct rf_snapshot_queue){
		.generation = q->generation,
		.driver_pid = q->generation ? q->driver_pid[half] : 0,
		/* 0 if the pid in that half is the last driver's, dead and not acknowledged. */
		.standby_pid = q->last_wanted == q->generation ? 0 : q->driver_pid[!half],
		.deaths = q->deaths,
	};
}

static void status_put_device(struct sup *s, struct dev *d, int sock)
{
	const struct dev *stack = stack_of(s, d);
	struct rf_snapshot shot = {
		.state = d->r.state,
		.export_kind = d->cfg->export_kind,
		.code = d->r.code,
		.service = d->cfg->policy.device.service,
		.device_pid = d->r.device_pid,
		.export_pid = (stack ? stack : d)->r.export_pid,
		.deaths = d->r.deaths,
		.standby_deaths = d->r.standby_deaths,
		.process_deaths = d->r.process_deaths,
		.server_failures = d->r.server_failures,
		.size = d->r.info.size,
		.block_size = d->r.info.block_size,
		.supervisor_pid = s->pid,
		.takeovers = s->takeovers,
	};

	shot.queues = d->r.queues;
	for (uint32_t i = 0; i < d->r.queues; i++)
		put_queue(d, i, &shot.queue[i]);
	shot.generation = shot.queue[0].generation;
	shot.driver_pid = shot.queue[0].driver_pid;
	shot.standby_pid = shot.queue[0].standby_pid;
	dev_walls(s, d);
	shot.walls = d->r.walls;
	if (d->r.away_ns)
		shot.server_away_s = (uint32_t)((rf_now_ns() - d->r.away_ns) / 1000000000) + 1;
	shot.server_failed = d->r.away_told;
	shot.disk = d->r.disk;
	shot.other = d->r.other;
	strcpy(shot.name, d->cfg->name);
	strcpy(shot.pci, d->cfg->pci);
	strcpy(shot.driver, d->cfg->policy.driver);
	memcpy(shot.died_of, d->r.died_of, sizeof(shot.died_of));
	(void)rf_packet_offer(sock, &shot, sizeof(shot), &d->fd[FD_STATS], d->fd[FD_STATS] >= 0);
}

static int status_answer(struct sup *s, const struct rf_ask *ask, int sock)
{
	for (int i = 0; i < s->config.count; i++) {
		struct dev *d = &s->dev[i];

		if (ask->verb == RF_ASK_STATUS)
			status_put_device(s, d, sock);
		else if (ask->verb == RF_ASK_STOP)
			dev_stop(s, d);
		else if (!strcmp(d->cfg->name, ask->device)) {
			dev_restart(s, d);
			return 0;
		}
	}
	return ask->verb == RF_ASK_RESTART ? -ENOENT : 0;
}

/* ---- who asks ------------------------------------------------------------------------ */

static void hang_up(struct client *c)
{
	close(c->fd);
	*c = (struct client){ .fd = -1 };
}

/* The new client gets a free place, or that of the one that has said nothing for longest. */
void status_accept(struct sup *s)
{
	struct client *c = s->client;
	int fd = rf_accept(s->listener, NULL, NULL);

	s->listen_ns = fd == -ENOBUFS ? rf_now_ns() + RF_ACCEPT_PAUSE_NS : 0;
	if (fd < 0)
		return;
	for (int i = 1; i < RF_CLIENTS && c->fd >= 0; i++)
		if (s->client[i].fd < 0 || s->client[i].until_ns < c->until_ns)
			c = &s->client[i];
	if (c->fd >= 0)
		hang_up(c);
	*c = (struct client){ .fd = fd, .until_ns = rf_now_ns() + PATIENCE_NS };
}

void status_serve(struct sup *s, struct client *c)
{
	struct rf_ask ask;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(c->fd, &ask, sizeof(ask), fds, &count, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	rf_close_all(fds, count);
	if (n == sizeof(ask)) {
		bool known = ask.verb >= RF_ASK_STATUS && ask.verb <= RF_ASK_STOP;
		struct rf_answer a = { .error = -EINVAL };

		ask.device[RF_NAME - 1] = '\0';
		s->stopping |= ask.verb == RF_ASK_STOP;
		if (known)
			a.error = status_answer(s, &ask, c->fd);
		(void)rf_packet_post(c->fd, &a, sizeof(a));
	}
	hang_up(c);
}

uint64_t status_due_ns(const struct sup *s)
{
	uint64_t first = s->listen_ns ? s->listen_ns : ~0ull;

	for (int i = 0; i < RF_CLIENTS; i++)
		if (s->client[i].fd >= 0 && s->client[i].until_ns < first)
			first = s->client[i].until_ns;
	return first;
}

void status_due(struct sup *s)
{
	if (s->listen_ns <= rf_now_ns())
		s->listen_ns = 0;
	for (int i = 0; i < RF_CLIENTS; i++)
		if (s->client[i].fd >= 0 && s->client[i].until_ns <= rf_now_ns())
			hang_up(&s->client[i]);
}
