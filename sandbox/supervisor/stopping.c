/* SPDX-License-Identifier: MIT */
/*
 * stopping.c - how all of a device ends, and what becomes of it then.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include "clock.h"
#include "device_msg.h"
#include "events.h"
#include "log.h"

void life_start_again(struct dev *d)
{
	d->r.restart = d->r.reconnect = true;
	d->r.code = 0;
}

/*
 * A device server that went away or broke the protocol may come back: it gets a new connection, and
 * with it new processes and new memory. One that never worked was configured wrongly: the device
 * ends.
 */
void life_server_failed(struct dev *d)
{
	if (d->cfg->policy.device.backend == RF_BACKEND_VFIO_USER && d->r.served &&
	    (d->r.code == RF_EXIT_DEVICE || d->r.code == RF_EXIT_NO_DEVICE) &&
	    d->r.state != DEV_QUARANTINED)
		life_start_again(d);
}

static void reconnect(struct dev *d)
{
	d->r.reconnect = false;
	d->r.failures = budget_in_vain(&d->r.budget, 0, rf_now_ns()) ? d->r.failures + 1 : 1;
	if (d->r.failures >= d->cfg->policy.deaths) {
		rf_log("%s: its device %s failed %u times without completing a request: "
		       "quarantined; "
		       "'ringfence restart %s' tries again",
		       d->cfg->name,
		       d->cfg->policy.device.backend == RF_BACKEND_VFIO_USER ? "server" : "process",
		       d->r.failures, d->cfg->name);
		d->r.state = DEV_QUARANTINED;
		d->r.code = RF_EXIT_QUARANTINE;
		return;
	}
	d->r.state = DEV_WAITING;
	d->r.retry_ns = rf_now_ns() + dev_backoff(d, d->r.failures + 1);
}

/* What it was before the configuration was read anew has ended. */
static void former_ended(struct sup *s, struct dev *d)
{
	if (d->next)
		return dev_becomes_next(s, d);
	d->r.state = DEV_OFF;
	d->r.code = 0;
	dev_forget(s, d);
}

/* No process of it runs any more: which state comes next? */
static void ended(struct sup *s, struct dev *d)
{
	bool again = d->r.restart && !s->stopping;

	if (d->service && d->service->completed)
		d->r.failures = 0;
	dev_close(s, d);
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		d->r.queue[i].generation = 0;
	d->r.restart = false;
	if (d->r.former)
		return former_ended(s, d);
	if (again && d->r.reconnect)
		return reconnect(d);
	d->r.state = again ? DEV_WAITING :
		   d->r.code == RF_EXIT_QUARANTINE && !s->stopping ? DEV_QUARANTINED :
		   d->r.code ? DEV_FAILED : DEV_OFF;
	d->r.code = again ? 0 : d->r.code;
	d->r.retry_ns = 0;
	if (d->r.state == DEV_FAILED && stack_of(s, d) && stack_of(s, d) != d && !s->stopping)
		rf_log("%s: without it the stack of %s does not run; 'ringfence restart %s' tries "
		       "again",
		       d->cfg->name, d->cfg->stack, d->cfg->name);
}

void stack_kill(struct sup *s, struct dev *d)
{
	struct dev *nic = stack_of(s, d);

	if (!nic)
		return;
	nic->r.stack.told = true;
	if (nic->r.export_pid)
		dev_kill(s, nic, "export");
	if (nic->r.stack.dial_pid)
		dev_kill(s, nic, "dial");
}

/*
 * The device process is told first: a driver that dies after that is no reason for a recovery,
 * whose reset would drop the device's cache. Then the export ends, so that no new request comes,
 * and the drivers. Once they are dead the device process lets the device write its cache back,
 * and ends. Where the device process is already gone, VFIO's reset on last close does the rest.
 */
void dev_end(struct sup *s, struct dev *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_STOP };

	d->r.export_due_ns = 0;
	if (d->r.device_pid)
		(void)rf_packet_offer(d->fd[FD_SUP_OURS], &msg, sizeof(msg), NULL, 0);
	stack_kill(s, d);
	if (d->r.export_pid)
		dev_kill(s, d, "export");
	dev_kill_drivers(s, d);
	if (!dev_alive(d))
		ended(s, d);
}

void life_one_less(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	if (!dev_alive(d))
		ended(s, d);
}

void life_stop(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	d->r.state = DEV_STOPPING;
	dev_want_drop(d);
	dev_end(s, d);
}

/* Nothing of a device in these states runs, or all of it is told to end already. */
static const bool stopped[DEV_STATES] = {
	[DEV_OFF] = true, [DEV_FAILED] = true, [DEV_STOPPING] = true,
};

void dev_stop(struct sup *s, struct dev *d)
{
	RF_BUG_ON(d->r.state >= DEV_STATES);
	if (!stopped[d->r.state])
		life_stop(s, d, &(struct news){ 0 });
}

void dev_fail(struct sup *s, struct dev *d, int code)
{
	d->r.code = code;
	dev_stop(s, d);
}

void life_restart_later(struct sup *s, struct dev *d, struct news *news)
{
	(void)s;
	(void)news;
	d->r.served = d->r.worked = d->r.reconnect = false;
	d->r.disk = d->r.other = (struct rf_identity){ 0 };
	d->r.failures = 0;
	d->r.restart = true;
	d->r.code = 0;
}

void life_restart(struct sup *s, struct dev *d, struct news *news)
{
	life_restart_later(s, d, news);
	life_stop(s, d, news);
}

/* A restart while the device server is away would only end the export: the server is tried at
 * once instead. A restart takes the disk of a server that is back with another one. */
void life_revive_now(struct sup *s, struct dev *d, struct news *news)
{
	if (!d->r.away_ns || rf_identity_known(&d->r.other))
		return life_restart(s, d, news);
	d->r.retry_ns = 0;
}
