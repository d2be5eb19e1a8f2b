/* SPDX-License-Identifier: MIT */
/*
 * status.c - the control socket: one request of control_socket.h, its answer, closed.
 *
 * Room:   sandbox/supervisor, no privilege. Only root (or the owner) can connect;
 *         requests are fixed records. Nobody waits for who asks: who reads slowly is told
 *         slowly, and who does not read is hung up on.
 */
#include <errno.h>
#include <poll.h>
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

/* 0, or -errno: -EAGAIN: it reads too slowly. */
static int status_put_device(struct sup *s, struct dev *d, int sock)
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
	int err = rf_packet_offer(sock, &shot, sizeof(shot), &d->fd[FD_STATS],
				  d->fd[FD_STATS] >= 0);
	/* More fds are on their way than one user may have: without this one, then. */
	return err == -ETOOMANYREFS ? rf_packet_post(sock, &shot, sizeof(shot)) : err;
}

static int one_restart(struct sup *s, const char *name)
{
	for (int i = 0; i < s->count; i++)
		if (!dev_over(&s->dev[i]) && !strcmp(s->dev[i].cfg->name, name)) {
			dev_restart(s, &s->dev[i]);
			return 0;
		}
	return -ENOENT;
}

static int all_stop(struct sup *s)
{
	s->stopping = true;
	for (int i = 0; i < s->count; i++)
		dev_stop(s, &s->dev[i]);
	return 0;
}

/* ---- who asks ------------------------------------------------------------------------ */

static void hang_up(struct client *c)
{
	close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static void status_done(struct client *c, int error, int code)
{
	const struct rf_answer a = { .error = error, .code = code };

	(void)rf_packet_post(c->fd, &a, sizeof(a));
	hang_up(c);
}

/* Tells of all devices, as fast as the client reads. */
static void status_put(struct sup *s, struct client *c)
{
	int err = 0;

	c->state = CLIENT_READS;
	for (; c->at < s->count && !err; c->at += !err)
		if (!dev_over(&s->dev[c->at]))
			err = status_put_device(s, &s->dev[c->at], c->fd);
	if (err == -EAGAIN)
		c->until_ns = rf_now_ns() + PATIENCE_NS;
	else if (err)
		hang_up(c);
	else
		status_done(c, 0, 0);
}

static void reload_ask(struct sup *s, struct client *c, int log)
{
	int err = reload_begin(s, log);

	if (err)
		return status_done(c, err, 0);
	c->state = CLIENT_WAITS;
	c->until_ns = ~0ull;
}

void status_loaded(struct sup *s, int code)
{
	for (int i = 0; i < RF_CLIENTS; i++)
		if (s->client[i].fd >= 0 && s->client[i].state == CLIENT_WAITS)
			status_done(&s->client[i], 0, code);
}

short status_events(const struct client *c)
{
	return c->state == CLIENT_READS ? POLLOUT : c->state == CLIENT_ASKS ? POLLIN : 0;
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

static void obey(struct sup *s, struct client *c, const struct rf_ask *ask, int pipe)
{
	switch (ask->verb) {
	case RF_ASK_STATUS:
		return status_put(s, c);
	case RF_ASK_RESTART:
		return status_done(c, one_restart(s, ask->device), 0);
	case RF_ASK_STOP:
		return status_done(c, all_stop(s), 0);
	case RF_ASK_RELOAD:
		return reload_ask(s, c, pipe);
	default:
		status_done(c, -EINVAL, 0);
	}
}

/* Its first packet is what it asks. */
static void asked(struct sup *s, struct client *c)
{
	struct rf_ask ask;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(c->fd, &ask, sizeof(ask), fds, &count, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	ask.device[RF_NAME - 1] = '\0';
	if (n == sizeof(ask))
		obey(s, c, &ask, count ? fds[0] : -1);
	else
		hang_up(c);
	rf_close_all(fds, count);
}

void status_serve(struct sup *s, struct client *c)
{
	if (c->state == CLIENT_ASKS)
		asked(s, c);
	else if (c->state == CLIENT_READS)
		status_put(s, c);
	else
		hang_up(c); /* it has gone, and what it asked for goes on */
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
