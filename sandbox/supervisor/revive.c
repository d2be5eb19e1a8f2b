/* SPDX-License-Identifier: MIT */
/*
 * revive.c - a device without a device process, and with all else.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include <sys/wait.h>

#include "clock.h"
#include "ending.h"
#include "events.h"
#include "log.h"

/* Counts a device process that ended because its device server went away or broke the protocol. */
static void count_server(struct dev *d, int code)
{
	if (d->cfg->policy.device.backend == RF_BACKEND_VFIO_USER &&
	    (code == RF_EXIT_DEVICE || code == RF_EXIT_NO_DEVICE))
		d->r.server_failures++;
}

/*
 * The export and its clients outlive the device process, and see latency only. Its drivers are
 * killed: nobody else could make their device quiet.
 */
static bool can_revive(struct sup *s, struct dev *d, int code)
{
	const struct rf_device_config *c = &d->cfg->policy.device;
	const struct dev *stack = stack_of(s, d);
	uint64_t completed = d->service ? d->service->completed : 0;

	if ((!(stack ? stack : d)->r.export_pid && !d->r.export_due_ns) ||
	    (d->r.state != DEV_RUNNING && d->r.state != DEV_REVIVING) ||
	    (code && (c->backend != RF_BACKEND_VFIO_USER ||
		      (code != RF_EXIT_DEVICE && code != RF_EXIT_NO_DEVICE))))
		return false;
	d->r.failures =
		budget_in_vain(&d->r.budget, completed, rf_now_ns()) ? d->r.failures + 1 : 1;
	d->r.rest_ns = code ? budget_rest(&d->r.spent_ns, rf_now_ns()) : 0;
	if (d->r.failures == 1)
		d->r.failing_ns = rf_now_ns();
	return d->r.failures < d->cfg->policy.deaths ||
	       (c->backend == RF_BACKEND_VFIO_USER &&
		rf_now_ns() - d->r.failing_ns < d->cfg->policy.server_away_ns);
}

/* Gives a device server up that is there and fails again and again. */
static bool server_given_up(struct sup *s, struct dev *d, int code)
{
	const struct dev *stack = stack_of(s, d);

	if (d->cfg->policy.device.backend != RF_BACKEND_VFIO_USER || !d->r.served ||
	    (code != RF_EXIT_DEVICE && code != RF_EXIT_NO_DEVICE) ||
	    !(stack ? stack : d)->r.export_pid ||
	    (d->r.state != DEV_RUNNING && d->r.state != DEV_REVIVING))
		return false;
	rf_log("%s: its device server failed %u times without completing a request: quarantined, "
	       "clients "
	       "get EIO; 'ringfence restart %s' tries again",
	       d->cfg->name, d->r.failures, d->cfg->name);
	d->r.state = DEV_QUARANTINED;
	d->r.code = RF_EXIT_QUARANTINE;
	dev_want_drop(d);
	dev_kill_drivers(s, d);
	server_clients_fail(d);
	return true;
}

static void revive_later(struct sup *s, struct dev *d)
{
	d->r.state = DEV_REVIVING;
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		d->r.queue[i].generation = 0;
		d->queue[i].replaced = d->r.queue[i].last_up;
	}
	d->r.retry_ns = rf_now_ns() + dev_backoff(d, d->r.failures);
	if (d->r.retry_ns < d->r.rest_ns)
		d->r.retry_ns = d->r.rest_ns;
	dev_want_drop(d);
	dev_kill_drivers(s, d);
}

bool life_can_reopen(const struct dev *d)
{
	return !dev_any_driver(d) && !d->r.device_pid;
}

bool life_other_waits(const struct dev *d)
{
	return d->r.device_pid && rf_identity_known(&d->r.other);
}

/*
 * Nobody but a person says that another disk is to be served in the place of the one it was. A
 * device server may come back with the old one: its device process waits for the end of the
 * connection, clients for the disk. A device behind VFIO is exchanged by a person.
 */
static void other_disk(struct sup *s, struct dev *d)
{
	if (d->r.state == DEV_REVIVING && d->cfg->policy.device.backend == RF_BACKEND_VFIO_USER)
		return server_other(d);
	rf_log("%s: it was disk %s, and is %s now: not served; 'ringfence restart %s' takes the "
	       "new one",
	       d->cfg->name, rf_identity_text(&d->r.disk), rf_identity_text(&d->r.other),
	       d->cfg->name);
	dev_fail(s, d, RF_EXIT_OTHER_DISK);
}

void life_other(struct sup *s, struct dev *d, struct news *news)
{
	if (!rf_identity_valid(&news->said->disk))
		return dev_fail(s, d, RF_EXIT_DEVICE);
	d->r.other_told &= rf_identity_same(&d->r.other, &news->said->disk);
	d->r.other = news->said->disk;
	other_disk(s, d);
}

/* A device process that was to wait ends when the supervisor was replaced, which has its own
 * look. */
static bool ended_for_other(const struct rf_keep_msg *dead)
{
	return WIFEXITED(dead->status) && WEXITSTATUS(dead->status) == RF_EXIT_OTHER_DISK;
}

/* A device process tells the export of its own number. One that dies before it wants a driver has
 * used it all the same, and the export takes none twice. */
static void use_a_number(struct dev *d)
{
	if (d->r.last_wanted)
		d->r.last_wanted = rf_number_next(d->r.last_wanted, dev_queues(d));
}

/* Opens the device again, once every process that could touch the device or its rings is dead. */
void life_revive(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	if (life_other_waits(d))
		return server_other(d);
	if (!life_can_reopen(d))
		return;
	use_a_number(d);
	int code = dev_reopen(s, d);

	if (code == RF_EXIT_NO_DEVICE && d->cfg->policy.device.backend == RF_BACKEND_VFIO_USER)
		return server_away(d); /* counted when it went */
	count_server(d, code);
	int err = code ? 0 : dev_start_device(s, d);
	if (err)
		code = RF_EXIT_SYSTEM;
	d->r.retry_ns = ~0ull;
	d->adopting = false;
	/* A process that could not be started for want of room counts as one that died. */
	if (code && can_revive(s, d, dev_shortage(err) ? 0 : code))
		return revive_later(s, d);
	if (code && !server_given_up(s, d, code)) {
		/* The reopen failed. A VFIO device may open again once all of it has ended. */
		d->r.restart = d->cfg->policy.device.backend == RF_BACKEND_VFIO;
		d->r.code = d->r.restart ? 0 : code;
		life_server_failed(d);
		dev_stop(s, d);
	}
}

/* A device process that exited by itself: its exit code says why. */
static void device_ended(struct sup *s, struct dev *d, int status)
{
	d->r.code = WEXITSTATUS(status) ? WEXITSTATUS(status) : RF_EXIT_DEVICE;
	life_server_failed(d);
	dev_stop(s, d);
}

/* A device process that died before the device was up: the next would die likewise, so the
 * device ends. */
static void device_died_early(struct sup *s, struct dev *d, struct news *news)
{
	int status = news->dead->status;
	char how[RF_ENDING];

	if (WIFEXITED(status))
		return device_ended(s, d, status);
	rf_log("%s: its device process %s", d->cfg->name, rf_ending(status, how));
	d->r.process_deaths++;
	d->r.code = d->r.restart ? 0 : RF_EXIT_DEVICE;
	dev_stop(s, d);
}

/* The same, but a device that was up before starts again. */
void life_device_died_starting(struct sup *s, struct dev *d, struct news *news)
{
	if (ended_for_other(news->dead))
		return other_disk(s, d);
	if (d->r.served && !WIFEXITED(news->dead->status))
		life_start_again(d);
	if (WIFEXITED(news->dead->status))
		count_server(d, WEXITSTATUS(news->dead->status));
	device_died_early(s, d, news);
}

void life_device_died(struct sup *s, struct dev *d, struct news *news)
{
	int status = news->dead->status;
	int code = !WIFEXITED(status)  ? 0 :
		   WEXITSTATUS(status) ? WEXITSTATUS(status) :
					 RF_EXIT_DEVICE;
	char how[RF_ENDING];

	if (ended_for_other(news->dead))
		return other_disk(s, d);
	count_server(d, code);
	if (can_revive(s, d, code)) {
		rf_log_peer("%s: its device process %s: a successor takes the device over",
			    d->cfg->name, rf_ending(status, how));
		d->r.process_deaths += WIFSIGNALED(status);
		return revive_later(s, d);
	}
	if (WIFEXITED(status) && server_given_up(s, d, code))
		return;
	if (WIFEXITED(status))
		return device_ended(s, d, status);
	d->r.restart = true;
	device_died_early(s, d, news);
}
