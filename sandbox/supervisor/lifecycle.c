/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.c - one device from start to end, and its restart budget.
 *
 * Room:   sandbox/supervisor, privileged.
 *
 * A driver's standby is its restart token: the device process asks for one (WANT)
 * and replaces a dead driver by it without asking anybody. Holding the token back
 * is the back-off, never giving it is the quarantine.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "deaths.h"
#include "launch.h"
#include "log.h"
#include "supervisor.h"

static void start(struct sup *s, struct dev *d);
static void revive(struct sup *s, struct dev *d);

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const char *dev_state_name(enum dev_state state)
{
	static const char *const names[] = {
		[DEV_OFF] = "off", [DEV_STARTING] = "starting", [DEV_RUNNING] = "running",
		[DEV_QUARANTINED] = "quarantined", [DEV_STOPPING] = "stopping",
		[DEV_WAITING] = "waiting", [DEV_REVIVING] = "reviving", [DEV_FAILED] = "failed",
	};
	return names[state];
}

static void process_name(char *name, const struct dev *d, const char *what)
{
	snprintf(name, RF_KEEP_NAME, "%s.%s", d->cfg->name, what);
}

void dev_kill(struct sup *s, struct dev *d, const char *what)
{
	char name[RF_KEEP_NAME];

	process_name(name, d, what);
	(void)keep_kill(s, name); /* -ENOENT: it is dead already */
}

struct rf_keep_spawn dev_spawn_as(const struct sup *s, const struct dev *d, int role,
				  const char *program)
{
	const struct rf_device_config *c = &d->cfg->policy.device;
	uint32_t uid = s->config.uid_base + (uint32_t)d->index * 4 + (uint32_t)role;
	struct rf_keep_spawn spawn = { .uid = uid, .gid = uid, .nofile = 256,
				       .fence = RF_FENCE_ROOT };

	/* Pinned for the device and locked against swapping count apart. */
	spawn.memlock = 2 * (c->arena_bytes + 2 * c->queue_bytes + RF_ADMIN_BYTES) + (16u << 20);
	snprintf(spawn.argv0, sizeof(spawn.argv0), "%s", program);
	return spawn;
}

int dev_spawn(struct sup *s, struct dev *d, const char *what, struct rf_keep_spawn *spawn, int *fds,
	      int count, pid_t *pid, int *pidfd)
{
	char name[RF_KEEP_NAME];

	process_name(name, d, what);
	int err = keep_spawn(s, name, spawn, fds, count, pid, pidfd);
	if (err)
		rf_log("%s: cannot start: %s", name, strerror(-err));
	else
		d->processes++;
	return err;
}

static int start_device(struct sup *s, struct dev *d)
{
	static const enum dev_fd list[] = {
		FD_SUP_THEIRS, FD_SVC_DEVICE, FD_CONFIG, FD_CONTAINER, FD_GROUP, FD_DATA, FD_QUEUES,
		FD_ADMIN, FD_RINGS, FD_BOOT, FD_STATS, FD_WAKE0, FD_WAKE1, FD_DEVICE,
	};
	struct rf_keep_spawn spawn = dev_spawn_as(s, d, 0, "rf-device");
	int fds[4 + RF_DEVICE_FDS] = { s->rf_device, s->null, s->null, 2 }, count = 4;

	spawn.target[1] = 0;
	spawn.target[2] = 1;
	spawn.target[3] = 2;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		spawn.target[count] = RF_DEVICE_FD_SUPERVISOR + (int)i;
		fds[count++] = d->fd[list[i]] >= 0 ? d->fd[list[i]] : s->null;
	}
	return dev_spawn(s, d, "device", &spawn, fds, count, &d->device_pid, NULL);
}

const char *const export_programs[RF_EXPORT_KINDS] = {
	[RF_EXPORT_NONE] = "rf-nbd", [RF_EXPORT_NBD] = "rf-nbd", [RF_EXPORT_LOAD] = "rf-load",
	[RF_EXPORT_TAP] = "rf-tap", [RF_EXPORT_NETLOAD] = "rf-netload", [RF_EXPORT_LWIP] = "rf-lwip",
};

int dev_lend(struct sup *s, struct dev *d)
{
	struct rf_dev_msg hello = { .type = RF_DEV_EXPORT };
	int err = 0;

	if (d->lent && !(err = dev_new_service_socket(s, d)))
		err = rf_packet_send(d->fd[FD_SUP_OURS], &hello, sizeof(hello), &d->fd[FD_SVC_DEVICE], 1);
	d->lent = true;
	return err;
}

static int start_export(struct sup *s, struct dev *d)
{
	static const enum dev_fd list[] = {
		FD_SVC_EXPORT, FD_EXPORT_CONFIG, FD_DATA, FD_RINGS, FD_TABLE, FD_STATS, FD_KICK,
		FD_WAKE0, FD_WAKE1, FD_LISTEN,
	};
	enum rf_export_kind kind = d->cfg->export_kind;
	struct rf_keep_spawn spawn = dev_spawn_as(s, d, 1, export_programs[kind]);
	int fds[4 + RF_EXPORT_FDS] = { s->export[kind], s->null, s->null, 2 }, count = 4;

	if (kind == RF_EXPORT_NONE)
		return 0;
	int err = dev_lend(s, d);
	if (err)
		return err;
	spawn.target[1] = 0;
	spawn.target[2] = 1;
	spawn.target[3] = 2;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		spawn.target[count] = RF_EXPORT_FD_CONTROL + (int)i;
		fds[count++] = d->fd[list[i]] >= 0 ? d->fd[list[i]] : s->null;
	}
	return dev_spawn(s, d, "export", &spawn, fds, count, &d->export_pid, NULL);
}

/* The launcher, which becomes the driver of one generation. */
static void start_driver(struct sup *s, struct dev *d)
{
	struct wanted *w = &d->want;
	unsigned half = w->generation & 1;
	struct rf_keep_spawn spawn = dev_spawn_as(s, d, 2 + (int)half, "rf-launch");
	spawn.fence = RF_FENCE_DRIVER;
	spawn.demand = d->cfg->policy.demand;
	snprintf(spawn.group, sizeof(spawn.group), "%s", d->cfg->name);
	int fds[RF_PACKET_FDS], count = 0, pidfd = -1;
	char what[32];

#define GIVE(f, number) (spawn.target[count] = (number), fds[count++] = (f))
	GIVE(s->launcher, -1);
	GIVE(d->fd[FD_WAKE0 + half], RF_FD_WAKE);
	GIVE(d->fd[FD_KICK], RF_FD_KICK);
	int last = w->device_fd == RF_WANT_LAST_FD && w->count > 1;
	GIVE(last ? w->fds[w->count - 1] : w->device_fd ? d->fd[FD_DEVICE] : s->null, RF_FD_DEVICE);
	GIVE(w->fds[0], RF_LAUNCH_FD_SPEC);
	GIVE(d->fd[FD_IMAGE], RF_LAUNCH_FD_IMAGE);
	GIVE(2, RF_LAUNCH_FD_LOG);
	for (int i = 1; i < w->count - last; i++)
		GIVE(w->fds[i], RF_LAUNCH_FD_WINDOW + i - 1);
#undef GIVE
	d->generation_of[half] = w->generation;
	snprintf(what, sizeof(what), "driver.%u", w->generation);
	int err = dev_spawn(s, d, what, &spawn, fds, count, &d->driver_pid[half], &pidfd);
	rf_close_all(w->fds, w->count);
	w->waiting = false;
	if (err)
		return dev_stop(s, d);
	struct rf_dev_msg msg = { .type = RF_DEV_DRIVER, .generation = w->generation };
	(void)rf_packet_send(d->fd[FD_SUP_OURS], &msg, sizeof(msg), &pidfd, 1);
	close(pidfd);
}

/* ---- the restart budget ----------------------------------------------------- */

static void quarantine(struct dev *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_GIVE_UP };

	rf_log("%s: its driver died %u times without completing a request: quarantined; "
	       "'ringfence restart %s' tries again", d->cfg->name, d->cfg->policy.deaths, d->cfg->name);
	d->state = DEV_QUARANTINED;
	d->code = RF_EXIT_QUARANTINE;
	rf_close_all(d->want.fds, d->want.count);
	d->want.waiting = false;
	(void)rf_packet_send(d->fd[FD_SUP_OURS], &msg, sizeof(msg), NULL, 0);
}

/* Deaths with progress in between cost nothing; the others double the wait. */
static uint64_t backoff(const struct dev *d, uint64_t fruitless)
{
	const struct rf_policy *p = &d->cfg->policy;
	uint64_t ns = p->backoff_ns;

	if (fruitless < 2)
		return 0;
	for (uint64_t i = 2; i < fruitless && ns < p->backoff_cap_ns; i++)
		ns *= 2;
	return ns < p->backoff_cap_ns ? ns : p->backoff_cap_ns;
}

uint64_t dev_due_ns(const struct dev *d)
{
	uint64_t due = d->state == DEV_WAITING ? d->retry_ns : d->want.waiting ? d->want.due_ns : ~0ull;

	if (d->state == DEV_REVIVING && !d->driver_pid[0] && !d->driver_pid[1] && !d->device_pid)
		due = d->retry_ns;
	return d->stack.due_ns && d->stack.due_ns < due ? d->stack.due_ns : due;
}

void dev_spawn_due(struct sup *s, struct dev *d)
{
	if (d->state == DEV_WAITING && d->retry_ns <= now_ns())
		return start(s, d);
	if (d->state == DEV_REVIVING && !d->driver_pid[0] && !d->driver_pid[1] && !d->device_pid &&
	    d->retry_ns <= now_ns())
		return revive(s, d);
	if (d->stack.due_ns && d->stack.due_ns <= now_ns())
		stack_try(s, d);
	if (!d->want.waiting || d->want.due_ns > now_ns())
		return;
	if (d->fruitless >= d->cfg->policy.deaths)
		return quarantine(d);
	start_driver(s, d);
}

static void count_death(struct dev *d, uint32_t generation)
{
	uint64_t completed = d->service->completed;

	d->deaths++;
	d->died_of[d->killed == generation ? d->killed_for : DEATH_CRASH]++;
	d->fruitless = completed == d->completed_then ? d->fruitless + 1 : 0;
	d->completed_then = completed;
}

/* ---- what a device process says ---------------------------------------------- */

static void kill_driver(struct sup *s, struct dev *d, uint32_t generation)
{
	char what[32];

	snprintf(what, sizeof(what), "driver.%u", generation);
	dev_kill(s, d, what);
}

static void kill_for(struct sup *s, struct dev *d, uint32_t generation, enum death why)
{
	static const char *const words[DEATHS] = {
		[DEATH_HANG] = "hangs", [DEATH_STALL] = "does not answer", [DEATH_LIE] = "lied",
	};

	if (words[why])
		rf_log("%s: driver %u %s: killed", d->cfg->name, generation, words[why]);
	d->killed = generation;
	d->killed_for = why;
	kill_driver(s, d, generation);
}

static void on_silent(struct sup *s, struct dev *d, const struct rf_dev_msg *msg)
{
	pid_t pid = d->driver_pid[msg->generation & 1];
	struct rf_sample now;

	if (msg->generation != d->generation || !pid || d->killed == msg->generation ||
	    rf_sample_take(pid, &now))
		return;
	if (rf_silence_hung(&d->silence, msg->generation, msg->value, msg->at_ns, &now,
			    d->cfg->policy.hang_ns)) {
		rf_log("%s: driver %u gives no sign of life: state %c, %llu us of its own processor time "
		       "in %d looks", d->cfg->name, msg->generation, d->silence.last.state,
		       (unsigned long long)d->silence.spun_ns / 1000, d->silence.samples);
		kill_for(s, d, msg->generation, DEATH_HANG);
	}
}

static void want_driver(struct sup *s, struct dev *d, const struct rf_dev_msg *msg, int *fds, int count)
{
	struct wanted *w = &d->want;

	if (w->waiting || count < 1 || d->state == DEV_QUARANTINED)
		return rf_close_all(fds, count);
	if (msg->generation > d->last_wanted)
		d->last_wanted = msg->generation;
	*w = (struct wanted){ .waiting = true, .generation = msg->generation, .device_fd = msg->device_fd,
			      .due_ns = now_ns() + backoff(d, d->fruitless), .count = count };
	memcpy(w->fds, fds, sizeof(int) * (size_t)count);
	dev_spawn_due(s, d);
}

static void on_ready(struct sup *s, struct dev *d, const struct rf_dev_msg *msg)
{
	const uint8_t *mac = msg->net.mac;

	d->info = msg->info;
	d->net = msg->net;
	d->state = DEV_RUNNING;
	if (d->cfg->policy.device.service == RF_SERVICE_NET)
		rf_log("%s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u", d->cfg->name, mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5], msg->net.mtu);
	else
		rf_log("%s: %llu MiB, blocks of %u bytes", d->cfg->name,
		       (unsigned long long)msg->info.size >> 20, msg->info.block_size);
	if (d->cfg->export_kind == RF_EXPORT_TAP && (d->code = tap_configure(d)))
		return dev_stop(s, d);
	if (stack_of(s, d))
		stack_try(s, stack_of(s, d));
	else if (!d->export_pid && start_export(s, d))
		dev_stop(s, d);
}

/* Which walls stand, of the first driver that runs: its successors' are the same. It may
 * be let go before its launcher has come as far as to say so; then the next one asks. */
void dev_walls(struct sup *s, struct dev *d)
{
	char name[RF_KEEP_NAME], what[32], missing[512];

	if (d->walls.locked || !d->generation)
		return;
	snprintf(what, sizeof(what), "driver.%u", d->generation);
	process_name(name, d, what);
	if (keep_walls(s, name, &d->walls))
		return; /* dead again */
	rf_walls_missing(&d->walls, missing, sizeof(missing));
	if (d->walls.locked && missing[0])
		rf_log("%s: this host gives its driver no %s", d->cfg->name, missing);
}

void dev_message(struct sup *s, struct dev *d)
{
	struct rf_dev_msg msg;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(d->fd[FD_SUP_OURS], &msg, sizeof(msg), fds, &count, MSG_DONTWAIT);

	if (n <= 0)
		return;
	if (n != sizeof(msg) || d->state == DEV_STOPPING || !d->device_pid)
		return rf_close_all(fds, count);
	switch (msg.type) {
	case RF_DEV_READY:
		d->served = true;
		on_ready(s, d, &msg);
		break;
	case RF_DEV_WANT:
		want_driver(s, d, &msg, fds, count);
		return; /* the fds are kept until it is spawned */
	case RF_DEV_KILL:
		kill_for(s, d, msg.generation, msg.value == RF_DEV_HANDOVER ? DEATH_HANDOVER :
			 msg.value == RF_DEV_STALLED ? DEATH_STALL : DEATH_LIE);
		break;
	case RF_DEV_SILENT:
		on_silent(s, d, &msg);
		break;
	case RF_DEV_FAILED:
		d->code = (int)msg.value;
		dev_stop(s, d);
		break;
	case RF_DEV_DOWN:
		d->generation = 0;
		count_death(d, msg.generation);
		break;
	case RF_DEV_UP:
		d->generation = d->last_up = msg.generation;
		dev_walls(s, d);
		break;
	default:
		rf_log("%s: message %u from its device process is not known", d->cfg->name, msg.type);
	}
	rf_close_all(fds, count);
}

/* ---- deaths, as the keeper reports them --------------------------------------- */

static void driver_exited(struct sup *s, struct dev *d, const struct rf_keep_msg *msg)
{
	uint32_t generation = 0;
	char words[512];

	sscanf(strrchr(msg->name, '.') + 1, "%u", &generation);
	if (d->driver_pid[generation & 1] == msg->pid)
		d->driver_pid[generation & 1] = 0;
	if (d->state == DEV_STOPPING || (d->state == DEV_REVIVING && !d->device_pid))
		return;
	/* Every death is on record; a plain SIGKILL is no news for a person. */
	rf_death_append(s->config.run_dir, d->cfg->name, msg);
	if (!WIFSIGNALED(msg->status) || WTERMSIG(msg->status) != SIGKILL) {
		rf_death_words(msg, words, sizeof(words));
		rf_log("%s: driver %u %s", d->cfg->name, generation, words);
	}
	/* Behind the lock an exit code is only what a driver says of itself. */
	if (WIFEXITED(msg->status) && !rf_death_ran(msg) &&
	    WEXITSTATUS(msg->status) >= RF_LAUNCH_BAD_SPEC &&
	    WEXITSTATUS(msg->status) != RF_LAUNCH_SYSTEM) {
		/* It never ran: another try would end the same way. */
		d->code = WEXITSTATUS(msg->status) == RF_LAUNCH_BAD_IMAGE ? RF_EXIT_IMAGE : RF_EXIT_SYSTEM;
		dev_stop(s, d);
	} else if (generation > d->last_up) {
		/* A standby: it did no work, so its successors are held back ever longer. */
		d->standby_deaths++;
		d->fruitless++;
	}
}

static void export_exited(struct sup *s, struct dev *d, const struct rf_keep_msg *msg)
{
	bool load = d->cfg->export_kind == RF_EXPORT_LOAD || d->cfg->export_kind == RF_EXPORT_NETLOAD;

	d->export_pid = 0;
	if (d->state == DEV_STOPPING)
		return;
	if (load && WIFEXITED(msg->status)) {
		d->code = WEXITSTATUS(msg->status);
		return dev_stop(s, d);
	}
	d->process_deaths++;
	rf_log("%s: its export died (status %#x): a successor takes the socket over", d->cfg->name,
	       msg->status);
	if (start_export(s, d))
		dev_stop(s, d);
}

/*
 * A device server that went away, or does not do what a device does, may come back: it
 * is connected to afresh, with memory and processes as new as the connection. One that
 * never worked is a mistake of whoever started it, and the end.
 */
static void server_failed(struct dev *d)
{
	if (d->cfg->policy.device.backend != RF_BACKEND_VFIO_USER || !d->served ||
	    (d->code != RF_EXIT_DEVICE && d->code != RF_EXIT_NO_DEVICE) || d->state == DEV_QUARANTINED)
		return;
	d->restart = d->reconnect = true;
	d->code = 0;
}

static void reconnect(struct dev *d)
{
	d->reconnect = false;
	if (++d->failures >= d->cfg->policy.deaths) {
		rf_log("%s: its device server failed %u times without completing a request: quarantined; "
		       "'ringfence restart %s' tries again", d->cfg->name, d->failures, d->cfg->name);
		d->state = DEV_QUARANTINED;
		d->code = RF_EXIT_QUARANTINE;
		return;
	}
	d->state = DEV_WAITING;
	d->retry_ns = now_ns() + backoff(d, d->failures + 1);
}

/*
 * The export and its clients outlive their device process, and see latency. Its drivers do
 * not: nobody else can make their device quiet. Of a net service all is started anew,
 * because its halves cannot be told apart after this.
 */
static bool can_revive(struct dev *d, int code)
{
	const struct rf_device_config *c = &d->cfg->policy.device;
	uint64_t completed = d->service ? d->service->completed : 0;

	if (c->service != RF_SERVICE_BLOCK || !d->export_pid || !d->last_up ||
	    (d->state != DEV_RUNNING && d->state != DEV_REVIVING) ||
	    (code && (c->backend != RF_BACKEND_VFIO_USER || (code != RF_EXIT_DEVICE && code != RF_EXIT_NO_DEVICE))))
		return false;
	d->failures = completed != d->completed_at_failure ? 1 : d->failures + 1;
	d->completed_at_failure = completed;
	return d->failures < d->cfg->policy.deaths;
}

static void revive_later(struct sup *s, struct dev *d)
{
	d->state = DEV_REVIVING;
	d->generation = 0;
	d->retry_ns = now_ns() + backoff(d, d->failures);
	if (d->want.waiting)
		rf_close_all(d->want.fds, d->want.count);
	d->want.waiting = false;
	for (int half = 0; half < 2; half++)
		if (d->driver_pid[half])
			kill_driver(s, d, d->generation_of[half]);
}

/* All that could touch the device or its rings is dead. */
static void revive(struct sup *s, struct dev *d)
{
	int code = dev_reopen(s, d);

	if (!code && start_device(s, d))
		code = RF_EXIT_SYSTEM;
	d->retry_ns = ~0ull;
	if (code && can_revive(d, code))
		return revive_later(s, d);
	if (code) {
		/* What cannot be opened again may be once all of it has ended. */
		d->restart = d->cfg->policy.device.backend == RF_BACKEND_VFIO;
		d->code = d->restart ? 0 : code;
		server_failed(d);
		dev_stop(s, d);
	}
}

static void device_exited(struct sup *s, struct dev *d, const struct rf_keep_msg *msg)
{
	d->device_pid = 0;
	if (d->state == DEV_STOPPING)
		return;
	if (can_revive(d, !WIFEXITED(msg->status) ? 0 : WEXITSTATUS(msg->status) ? WEXITSTATUS(msg->status) :
			  RF_EXIT_DEVICE)) {
		rf_log("%s: its device process died (status %#x): a successor takes the device over",
		       d->cfg->name, msg->status);
		d->process_deaths += WIFSIGNALED(msg->status);
		return revive_later(s, d);
	}
	if (WIFEXITED(msg->status)) {
		d->code = WEXITSTATUS(msg->status) ? WEXITSTATUS(msg->status) : RF_EXIT_DEVICE;
		server_failed(d);
	} else {
		rf_log("%s: its device process died of signal %d", d->cfg->name, WTERMSIG(msg->status));
		d->process_deaths++;
		/* One that dies before it had the device up would do so again. */
		d->restart = d->state != DEV_STARTING;
		d->code = d->restart ? 0 : RF_EXIT_DEVICE;
	}
	dev_stop(s, d);
}

static void all_ended(struct sup *s, struct dev *d)
{
	if (d->service && d->service->completed)
		d->failures = 0;
	dev_close(s, d);
	d->generation = 0;
	bool again = d->restart && !s->stopping;
	d->restart = false;
	if (again && d->reconnect)
		return reconnect(d);
	if (again)
		return start(s, d);
	d->state = d->code ? DEV_FAILED : DEV_OFF;
	if (d->code && stack_of(s, d) && stack_of(s, d) != d && !s->stopping)
		rf_log("%s: without it the stack of %s does not run; 'ringfence restart %s' tries again",
		       d->cfg->name, d->cfg->stack, d->cfg->name);
}

void dev_exited(struct sup *s, const struct rf_keep_msg *msg)
{
	for (int i = 0; i < s->config.count; i++) {
		struct dev *d = &s->dev[i];
		size_t len = strlen(d->cfg->name);

		if (strncmp(msg->name, d->cfg->name, len) || msg->name[len] != '.')
			continue;
		const char *what = msg->name + len + 1;
		d->processes--;
		if (!strcmp(what, "device"))
			device_exited(s, d, msg);
		else if (!strcmp(what, "dial") || (d->stack.open && !strcmp(what, "export")))
			stack_exited(s, d, msg, what[0] == 'd');
		else if (!strcmp(what, "export"))
			export_exited(s, d, msg);
		else
			driver_exited(s, d, msg);
		if (d->state == DEV_STOPPING && !d->processes)
			all_ended(s, d);
		return;
	}
}

/* ---- start and stop ------------------------------------------------------------ */

static void start(struct sup *s, struct dev *d)
{
	d->code = 0;
	d->fruitless = d->last_up = d->last_wanted = d->killed = 0;
	d->completed_at_failure = 0;
	d->silence = (struct rf_silence){ 0 };
	d->lent = false;
	d->walls = (struct rf_wall_report){ 0 };
	d->completed_then = 0;
	d->state = DEV_STARTING;
	d->code = dev_open(s, d);
	if (!d->code && start_device(s, d))
		d->code = RF_EXIT_SYSTEM;
	if (d->code) {
		server_failed(d);
		dev_stop(s, d);
	}
}

void dev_start(struct sup *s, struct dev *d)
{
	d->served = false;
	d->failures = 0;
	start(s, d);
}

void dev_restart(struct sup *s, struct dev *d)
{
	d->served = d->reconnect = false;
	d->failures = 0;
	if (d->state == DEV_OFF || d->state == DEV_FAILED)
		return start(s, d);
	d->restart = true;
	d->code = 0;
	dev_stop(s, d);
}

/*
 * The export goes first, so that nothing new comes; then the device process is
 * told, which waits for its drivers to be dead, lets the device write its cache
 * back and ends. A device process that is gone already leaves that to VFIO's
 * reset on last close.
 */
void dev_stop(struct sup *s, struct dev *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_STOP };

	if (d->state == DEV_STOPPING || d->state == DEV_OFF || d->state == DEV_FAILED)
		return;
	d->state = DEV_STOPPING;
	if (d->want.waiting)
		rf_close_all(d->want.fds, d->want.count);
	d->want.waiting = false;
	stack_kill(s, d);
	if (d->export_pid)
		dev_kill(s, d, "export");
	if (d->device_pid)
		(void)rf_packet_send(d->fd[FD_SUP_OURS], &msg, sizeof(msg), NULL, 0);
	for (int half = 0; half < 2; half++)
		if (d->driver_pid[half]) {
			uint32_t g = d->generation_of[half];
			kill_driver(s, d, g);
		}
	if (!d->processes)
		all_ended(s, d);
}
