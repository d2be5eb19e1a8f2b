/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.c - one device from start to end: a table of states and of what happens.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Story:  off -> waiting -> starting -> running -> stopping -> off. A device process that
 *         dies makes it reviving, then running again; a device server that goes away,
 *         stopping, then waiting; drivers that die in vain, quarantined; what cannot be
 *         helped, failed. Drivers come and go while it is running: drivers.c.
 * Files:  what is done where its device process died is in revive.c, how all ends in stopping.c.
 * Again:  any step may have been taken by a supervisor that died before it could write that
 *         down (adopt.c). Each can be taken twice.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "clock.h"
#include "device_msg.h"
#include "ending.h"
#include "events.h"
#include "log.h"

/* How long the record of a death waits for the successor to run, and at least for its first
 * answers. On a slow machine both take longer, so the second wait is a multiple of the first. */
#define BOOKS_LATER_NS   10000000u
#define FIRST_ANSWERS_NS 1000000u

/* A device that another process uses when it is to start (RF_OPEN_LATER) is tried again at this
 * interval, for this long: whoever looks what is on a disk has it open for a while, and the
 * kernel's driver takes a while to bring a controller up. */
#define OPEN_PAUSE_NS 50000000u
#define OPEN_MOST_NS  10000000000u

/* ---- waiting and starting -------------------------------------------------------- */

/* The result of an open: the device process starts, or the open is tried again later, or the
 * device ends. */
static void opened(struct sup *s, struct dev *d, int code)
{
	bool later = code == RF_OPEN_LATER;

	d->r.retry_ns = later ? rf_now_ns() + OPEN_PAUSE_NS : ~0ull;
	if (later)
		return;
	d->r.code = code;
	int err = d->r.code ? 0 : dev_start_device(s, d);
	if (err)
		d->r.code = RF_EXIT_SYSTEM;
	if (dev_shortage(err) && d->r.served)
		life_start_again(d);
	if (!d->r.code && !err)
		return;
	life_server_failed(d);
	dev_stop(s, d);
}

/* Exports that die in vain are held back like drivers. */
static void export_later(struct dev *d)
{
	d->r.export_due_ns = rf_now_ns() + dev_backoff(d, d->r.export_failures);
}

static void start(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	d->r.code = 0;
	d->r.away_ns = 0;
	d->r.away_told = false;
	d->r.last_wanted = d->r.queues = 0;
	d->r.budget = d->r.export_budget = (struct budget){ .at_ns = rf_now_ns() };
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		d->r.queue[i] = (struct queue_record){ .driver_budget = d->r.budget,
						       .standby_budget = d->r.budget };
		d->queue[i].hang = (struct rf_hang_detector){ 0 };
		d->queue[i].replaced = 0;
	}
	d->r.lent = d->adopting = false;
	d->r.export_failures = 0;
	d->r.export_due_ns = 0;
	d->r.walls = (struct rf_wall_report){ 0 };
	d->r.state = DEV_STARTING;
	d->open_until_ns = rf_now_ns() + OPEN_MOST_NS;
	opened(s, d, dev_open(s, d));
}

static void start_due(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	opened(s, d, dev_open_rest(s, d, rf_now_ns() >= d->open_until_ns));
}

/* Starts the export. If there is no room for a process it is tried again, except at the first
 * start. */
static void export_start(struct sup *s, struct dev *d)
{
	int err = dev_export(s, d);

	if (d->r.worked && dev_shortage(err))
		d->r.export_due_ns = rf_now_ns() + dev_backoff(d, 2 + d->export_short++);
	else if (err)
		dev_fail(s, d, RF_EXIT_SYSTEM);
	else
		d->export_short = 0;
}

/* How many queues its device process uses. It may say anything. */
static void queues_known(struct dev *d, uint32_t queues)
{
	d->r.queues = queues && queues < dev_queues(d) ? queues : dev_queues(d);
}

static void ready(struct sup *s, struct dev *d, struct news *news)
{
	const uint8_t *mac = news->said->net.mac;

	queues_known(d, news->said->queues);

	d->r.served = true;
	server_back(d);
	d->r.info = news->said->info;
	d->r.net = news->said->net;
	d->r.disk = rf_identity_valid(&news->said->disk) ? news->said->disk :
							   (struct rf_identity){ 0 };
	d->r.state = DEV_RUNNING;
	if (d->cfg->policy.device.service == RF_SERVICE_NET)
		rf_log_peer("%s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u", d->cfg->name, mac[0],
			    mac[1], mac[2], mac[3], mac[4], mac[5], d->r.net.mtu);
	else
		rf_log_peer("%s: %llu MiB, blocks of %u bytes", d->cfg->name,
		       (unsigned long long)d->r.info.size >> 20, d->r.info.block_size);
	if (d->cfg->export_kind == RF_EXPORT_TAP && !d->r.export_pid &&
	    (d->r.code = open_interface(s, d)))
		return dev_stop(s, d);
	d->ping.known[0] = d->r.device_pid; /* it answers pings from now on */
	if (stack_of(s, d))
		stack_try(s, stack_of(s, d));
	else if (!d->r.export_pid)
		export_start(s, d);
}

/* The device process repeats to a new supervisor what it told the one before. */
static void adopted(struct sup *s, struct dev *d, struct news *news)
{
	(void)s;
	adopt_told(d, news->said);
}

static void adopted_ready(struct sup *s, struct dev *d, struct news *news)
{
	adopted(s, d, news);
	if (!d->adopting)
		ready(s, d, news);
}

/* ---- running ----------------------------------------------------------------------- */

static void stack_due(struct sup *s, struct dev *d, struct news *news)
{
	(void)news;
	if (d->r.stack.due_ns && d->r.stack.due_ns <= rf_now_ns())
		stack_try(s, d);
}

static void export_due(struct sup *s, struct dev *d)
{
	if (d->r.export_due_ns && d->r.export_due_ns <= rf_now_ns())
		export_start(s, d);
}

static void quarantined_due(struct sup *s, struct dev *d, struct news *news)
{
	stack_due(s, d, news);
	export_due(s, d);
}

static void running_due(struct sup *s, struct dev *d, struct news *news)
{
	stack_due(s, d, news);
	export_due(s, d);
	if (d->r.state == DEV_RUNNING)
		dev_want_due(s, d);
}

static void want(struct sup *s, struct dev *d, struct news *news)
{
	if (d->queue[dev_queue_of(d, news->said->generation)].want.waiting || news->count < 1)
		return;
	dev_want(d, news->said, news->fds, news->count);
	news->count = 0;
	dev_want_due(s, d);
}

static void kill_requested(struct sup *s, struct dev *d, struct news *news)
{
	static const enum death deaths[] = {
		[RF_KILL_PROTO] = DEATH_PROTO, [RF_KILL_STALLED] = DEATH_STALL,
		[RF_KILL_STORM] = DEATH_STORM, [RF_KILL_HANDOVER] = DEATH_HANDOVER,
		[RF_KILL_RESET] = DEATH_RESET,
	};
	uint32_t why = news->said->value;

	/* A compromised device process may send any value. */
	if (why < RF_KILL_PROTO || why >= sizeof(deaths) / sizeof(deaths[0]))
		why = RF_KILL_PROTO;
	dev_kill_for(s, d, news->said->generation, deaths[why]);
}

static void unresponsive(struct sup *s, struct dev *d, struct news *news)
{
	dev_unresponsive(s, d, news->said);
}

static void down(struct sup *s, struct dev *d, struct news *news)
{
	uint32_t queue = dev_queue_of(d, news->said->generation);

	(void)s;
	d->r.queue[queue].generation = 0;
	d->queue[queue].down_ns = rf_now_ns();
	d->busy_until_ns = d->queue[queue].down_ns + BOOKS_LATER_NS;
	d->r.queue[queue].downs++;
	dev_count_death(d, news->said->generation);
}

static void up(struct sup *s, struct dev *d, struct news *news)
{
	uint32_t queue = dev_queue_of(d, news->said->generation);
	bool before = dev_all_up(d);

	d->r.queue[queue].generation = d->r.queue[queue].last_up = news->said->generation;
	if (!before && dev_all_up(d))
		dev_ready(d);
	d->r.worked = true;
	dev_recovered(d, queue);
	uint64_t now = rf_now_ns(), took = now - d->queue[queue].down_ns;

	d->busy_until_ns = now + (took < FIRST_ANSWERS_NS  ? FIRST_ANSWERS_NS :
				  took < BOOKS_LATER_NS / 2 ? 2 * took : BOOKS_LATER_NS);
	dev_walls(s, d);
}

static void failed(struct sup *s, struct dev *d, struct news *news)
{
	dev_fail(s, d, (int)news->said->value);
}

static void driver_died(struct sup *s, struct dev *d, struct news *news)
{
	dev_driver_died(s, d, news->dead);
}

static void stack_died(struct sup *s, struct dev *d, struct news *news)
{
	stack_exited(s, d, news->dead, news->dial);
}

/* Somebody deleted the interface it served: the next export gets another one. */
static int interface_again(struct sup *s, struct dev *d)
{
	rf_log("%s: interface %s was deleted while it was served and is made again: give it its IP "
	       "addresses "
	       "and routes again",
	       d->cfg->name, d->cfg->listen);
	return dev_listen_again(s, d);
}

/* Its successor takes over the listening socket and the requests in flight. */
static void export_died(struct sup *s, struct dev *d, struct news *news)
{
	bool own = rf_export_own(d->cfg->export_kind) || d->cfg->export_kind == RF_EXPORT_FORMAT;
	uint64_t completed = d->service->completed;
	int code = WIFEXITED(news->dead->status) ? WEXITSTATUS(news->dead->status) : -1;
	char how[RF_ENDING];
	bool vanished = d->cfg->export_kind == RF_EXPORT_TAP && code == RF_EXIT_NO_DEVICE;
	bool refused = (d->cfg->integrity_disk || d->cfg->integrity) && code == RF_EXIT_INTEGRITY;

	if ((own && code >= 0) || refused) {
		d->r.code = code;
		return dev_stop(s, d);
	}
	d->r.process_deaths++;
	d->r.export_failures = budget_in_vain(&d->r.export_budget, completed, rf_now_ns()) ?
				       d->r.export_failures + 1 :
				       1;
	if (d->r.export_failures > d->cfg->policy.deaths) {
		rf_log("%s: its export died %u times without completing a request", d->cfg->name,
		       d->r.export_failures);
		d->r.code = RF_EXIT_FAILED;
		return dev_stop(s, d);
	}
	if (!vanished)
		rf_log_peer("%s: its export %s: a successor takes over", d->cfg->name,
		       rf_ending(news->dead->status, how));
	else if ((d->r.code = interface_again(s, d)))
		return dev_stop(s, d);
	export_later(d);
	if (d->r.state == DEV_RUNNING || d->r.state == DEV_QUARANTINED)
		export_due(s, d);
}

/* ---- the table --------------------------------------------------------------------------- */

/*
 * What moves a device, by its state. The rest is ignored: a message that crossed the end of its
 * sender, or of what it speaks of; a death of somebody that nobody waits for. Stopping it is no
 * event: any of these actions may come to that, by dev_stop().
 */
static action *const table[DEV_STATES][EVENTS] = {
	[DEV_OFF] = {
		[EV_RESTART] = life_restart,
	},
	[DEV_WAITING] = {
		[EV_DUE] = start, [EV_RESTART] = life_restart,
	},
	[DEV_STARTING] = {
		[EV_DUE] = start_due, [EV_READY] = ready, [EV_ADOPTED] = adopted_ready,
		[EV_FAILED] = failed, [EV_OTHER] = life_other, [EV_DRIVER_DIED] = driver_died,
		[EV_EXPORT_DIED] = export_died, [EV_STACK_DIED] = stack_died,
		[EV_DEVICE_DIED] = life_device_died_starting, [EV_RESTART] = life_restart,
	},
	[DEV_RUNNING] = {
		[EV_DUE] = running_due, [EV_ADOPTED] = adopted, [EV_WANT] = want,
		[EV_KILL] = kill_requested, [EV_UNRESPONSIVE] = unresponsive, [EV_DOWN] = down,
		[EV_UP] = up,
		[EV_FAILED] = failed, [EV_DRIVER_DIED] = driver_died,
		[EV_EXPORT_DIED] = export_died, [EV_STACK_DIED] = stack_died,
		[EV_DEVICE_DIED] = life_device_died, [EV_RESTART] = life_restart,
	},
	[DEV_REVIVING] = {
		[EV_DUE] = life_revive, [EV_READY] = ready, [EV_ADOPTED] = adopted_ready,
		[EV_FAILED] = failed, [EV_OTHER] = life_other, [EV_EXPORT_DIED] = export_died,
		[EV_STACK_DIED] = stack_died, [EV_DEVICE_DIED] = life_device_died,
		[EV_RESTART] = life_revive_now,
	},
	[DEV_QUARANTINED] = {
		[EV_DUE] = quarantined_due, [EV_ADOPTED] = adopted, [EV_KILL] = kill_requested,
		[EV_DOWN] = down, [EV_UP] = up, [EV_FAILED] = failed,
		[EV_DRIVER_DIED] = driver_died, [EV_EXPORT_DIED] = export_died,
		[EV_STACK_DIED] = stack_died, [EV_DEVICE_DIED] = life_stop,
		[EV_RESTART] = life_restart,
	},
	[DEV_STOPPING] = {
		[EV_DRIVER_DIED] = life_one_less, [EV_EXPORT_DIED] = life_one_less,
		[EV_STACK_DIED] = life_one_less, [EV_DEVICE_DIED] = life_one_less,
		[EV_RESTART] = life_restart_later,
	},
	[DEV_FAILED] = {
		[EV_RESTART] = life_restart,
	},
};

static void happens(struct sup *s, struct dev *d, enum event event, struct news *news)
{
	RF_BUG_ON(d->r.state >= DEV_STATES);
	if (table[d->r.state][event])
		table[d->r.state][event](s, d, news);
}

/* ---- where it comes from ----------------------------------------------------------------- */

void dev_restart(struct sup *s, struct dev *d)
{
	happens(s, d, EV_RESTART, &(struct news){ 0 });
}

/* When the first driver that is wanted may be started. */
static uint64_t wanted_ns(const struct dev *d)
{
	uint64_t first = ~0ull;

	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		if (d->queue[i].want.waiting && d->queue[i].want.due_ns < first)
			first = d->queue[i].want.due_ns;
	return first;
}

uint64_t dev_due_ns(const struct dev *d)
{
	uint64_t stack = d->r.stack.due_ns ? d->r.stack.due_ns : ~0ull;
	uint64_t driver = wanted_ns(d);
	uint64_t export =
		d->r.export_due_ns && d->r.export_due_ns < stack ? d->r.export_due_ns : stack;

	switch (d->r.state) {
	case DEV_WAITING:
		return d->r.retry_ns;
	case DEV_STARTING:
		return d->r.device_pid ? ~0ull : d->r.retry_ns;
	case DEV_REVIVING:
		return life_can_reopen(d) || life_other_waits(d) ? d->r.retry_ns : ~0ull;
	case DEV_QUARANTINED:
		return export;
	case DEV_RUNNING:
		return export < driver ? export : driver;
	default:
		return ~0ull;
	}
}

uint64_t dev_busy_until_ns(const struct dev *d)
{
	return d->r.state == DEV_RUNNING && d->busy_until_ns > rf_now_ns() ? d->busy_until_ns : 0;
}

void dev_due(struct sup *s, struct dev *d)
{
	if (dev_due_ns(d) <= rf_now_ns())
		happens(s, d, EV_DUE, &(struct news){ 0 });
}

void dev_message(struct sup *s, struct dev *d)
{
	static const enum event events[] = {
		[RF_DEV_READY] = EV_READY, [RF_DEV_WANT] = EV_WANT, [RF_DEV_KILL] = EV_KILL,
		[RF_DEV_DOWN] = EV_DOWN, [RF_DEV_UP] = EV_UP, [RF_DEV_FAILED] = EV_FAILED,
		[RF_DEV_UNRESPONSIVE] = EV_UNRESPONSIVE, [RF_DEV_ADOPTED] = EV_ADOPTED,
		[RF_DEV_OTHER] = EV_OTHER,
	};
	struct rf_dev_msg msg;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(d->fd[FD_SUP_OURS], &msg, sizeof(msg), fds, &count, MSG_DONTWAIT);
	struct news news = { .said = &msg, .fds = fds, .count = count };

	if (n <= 0)
		return;
	/* While adopting, messages before the answer were meant for the predecessor; the answer
	 * repeats them. */
	if (n == sizeof(msg) && d->r.device_pid && msg.type < sizeof(events) / sizeof(events[0]) &&
	    events[msg.type] && (!d->adopting || msg.type == RF_DEV_ADOPTED))
		happens(s, d, events[msg.type], &news);
	rf_close_all(fds, news.count);
}

/* Forgets the pid of a dead process. *event: what its death means to the device. False: nothing. */
static bool forget(struct dev *d, const struct rf_keep_msg *dead, const char *what,
		   enum event *event)
{
	const struct { const char *name; pid_t *pid; enum event event; } all[] = {
		{ "device", &d->r.device_pid, EV_DEVICE_DIED },
		{ "export", &d->r.export_pid, d->r.stack.open ? EV_STACK_DIED : EV_EXPORT_DIED },
		{ "dial", &d->r.stack.dial_pid, EV_STACK_DIED },
	};

	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++) {
		for (int half = 0; half < 2; half++)
			if (d->r.queue[i].driver_pid[half] == dead->pid)
				d->r.queue[i].driver_pid[half] = 0;
		if (d->queue[i].want.held)
			d->queue[i].want.due_ns = 0;
	}
	*event = EV_DRIVER_DIED;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(what, all[i].name))
			continue;
		*event = all[i].event;
		if (*all[i].pid != dead->pid)
			return false;
		*all[i].pid = 0;
	}
	return true;
}

void dev_exited(struct sup *s, const struct rf_keep_msg *dead)
{
	const char *what;
	struct dev *d = dev_of(s, dead->name, &what);
	enum event event;

	/* The predecessor handled this death, but died before it acknowledged it. */
	if (!d || dead->pid == d->r.exit_acked)
		return;
	d->r.exit_acked = dead->pid;
	if (forget(d, dead, what, &event))
		happens(s, d, event, &(struct news){ .dead = dead, .dial = !strcmp(what, "dial") });
}
